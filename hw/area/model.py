"""What a folding uses of the device: a formula for each component, scaled by synthesis.

The formulas count what the engines are built from, at the prices of a device family
(`twofold.hw.area.prices`). Multipliers and memory blocks are exact; LUTs and flip-flops are
multiplied by the family's factors, which ``twofold resources --calibrate`` derives from synthesis:
for each kind of component, the synthesis result divided by the formula, over all its layers.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from twofold.hw.area.component import Component
from twofold.hw.area.gather import gather_front
from twofold.hw.area.prices import factors, prices_of
from twofold.hw.area.prices.base import Prices
from twofold.hw.area.results import result
from twofold.hw.area.scatter import pixel_tail, tiles
from twofold.hw.area.stage import chunks, scatter_stage, winners
from twofold.hw.area.tally import back_counters, front_counters, totals
from twofold.hw.boards.family import XCUP, Family
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.folding import (
    Folding,
    GatherPlan,
    JoinPlan,
    Plan,
    ScatterPlan,
    VectorPlan,
)
from twofold.hw.contract.network import Output
from twofold.hw.contract.regs import LAYERS_COUNTED

CONFIG_BITS = 75
LOADER = Resources(lut=1000, ff=700)


def calibrated(component: Component, family: Family = XCUP) -> Component:
    """The component scaled by the factors of its kind."""
    found, each = factors(family)[component.kind], component.each
    scaled = Resources(
        each.lut * found["lut"], each.ff * found["ff"], each.bram36, each.uram, each.dsp
    )
    return Component(component.layer, component.kind, component.count, scaled)


def front(plan: Plan, folding: Folding, family: Family = XCUP) -> Iterator[Component]:
    """Components of a layer up to its accumulators, by formula; what follows them does not matter.

    Of ``folding`` only the input and the frames are used. Raises FoldingError if no feed can be
    built.
    """
    prices = prices_of(family)
    yield from _counters(plan, front_counters(plan, prices))
    yield from _FRONTS[type(plan)](plan, folding, prices)


def back(plan: Plan, family: Family = XCUP) -> Iterator[Component]:
    """The remaining components of a layer, by formula; the previous layer does not matter."""
    prices = prices_of(family)
    yield from _counters(plan, back_counters(plan, prices))
    yield from _BACKS[type(plan)](plan, prices)


def layer_components(plan: Plan, folding: Folding, family: Family = XCUP) -> Iterator[Component]:
    """All components of a layer, by formula. Raises FoldingError if no feed can be built."""
    yield from front(plan, folding, family)
    yield from back(plan, family)


def components(found: tuple[Plan, ...], folding: Folding, family: Family = XCUP) -> list[Component]:
    """All components of a machine, scaled."""
    layers = [one for plan in found for one in layer_components(plan, folding, family)]
    return [calibrated(one, family) for one in [*layers, *shared_components(len(found), family)]]


def shared_components(layers: int, family: Family = XCUP) -> list[Component]:
    """What belongs to no layer of a ``layers``-layer machine: image loader, config bus, totals."""
    bus = Resources(lut=20, ff=CONFIG_BITS * layers)
    return [
        Component("", "loader", 1, LOADER),
        Component("", "core", 1, bus),
        Component("", "counters", 1, totals(prices_of(family))),
    ]


def _counters(plan: Plan, found: Resources) -> Iterator[Component]:
    """What a layer adds to the counters, which belong to no layer."""
    if plan.stage.index < LAYERS_COUNTED:
        yield Component("", "counters", 1, found)


def _scatter_front(plan: ScatterPlan, folding: Folding, prices: Prices) -> Iterator[Component]:
    name = plan.stage.name
    yield Component(name, *tiles(plan, plan.folding.tiles, prices))
    yield Component(name, "scatter stage", 1, scatter_stage(plan, folding.frames, prices))


def _vector_front(plan: VectorPlan, folding: Folding, prices: Prices) -> Iterator[Component]:
    yield from _scatter_front(plan, folding, prices)
    yield Component(plan.stage.name, "scatter stage", 1, chunks(plan, folding, prices))


def _scatter_back(plan: ScatterPlan, prices: Prices) -> Iterator[Component]:
    kind, count, each = _ENDS[plan.stage.output](plan, prices)
    yield Component(plan.stage.name, kind, count, each)


_FRONTS: dict[type[Plan], Callable[[Any, Folding, Prices], Iterator[Component]]] = {
    GatherPlan: gather_front,
    ScatterPlan: _scatter_front,
    JoinPlan: _scatter_front,
    VectorPlan: _vector_front,
}
"""Components up to the accumulators, per engine; a gather tile also includes all that follows."""

_BACKS: dict[type[Plan], Callable[[Any, Prices], Iterable[Component]]] = {
    GatherPlan: lambda *_: (),
    ScatterPlan: _scatter_back,
    JoinPlan: _scatter_back,
    VectorPlan: _scatter_back,
}
"""Components after the accumulators, per engine."""

_ENDS: dict[Output, Callable[[ScatterPlan, Prices], tuple[str, int, Resources]]] = {
    Output.PIXELS: lambda plan, prices: (
        "pixel tail", plan.folding.tiles, pixel_tail(plan, prices),
    ),
    Output.WINNERS: lambda plan, prices: ("winners", 1, winners(plan, prices)),
    Output.LOGITS: lambda plan, prices: (
        "result", 1, result(plan.stage.channels, plan.drain, prices),
    ),
}  # fmt: skip
"""Kind and number of the components after the accumulators, per form of output."""
