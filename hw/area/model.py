"""What a folding uses of the device: a formula for each component, scaled by synthesis.

The formulas count what the engines are built from. DSPs, URAMs and block RAMs are exact; LUTs and
flip-flops are multiplied by the factors in ``calibration.json``, which ``twofold resources
--calibrate`` derives from synthesis of the `fast` machine at full folding: for each kind of
component, the synthesis result divided by the formula, over all its layers.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from twofold.hw.area.blocks import (
    block_rams,
    insertion_list,
    lut_ram_luts,
    mux_luts,
    requantise,
    shared_ram_luts,
    ultra_rams,
    update_ram_luts,
)
from twofold.hw.area.results import result
from twofold.hw.area.tally import back_counters, front_counters, totals
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.arith import ACT_BITS, LOGIT_BITS, MUL_BITS, SHIFT_MAX
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
from twofold.hw.engines.gather.window import Windows
from twofold.hw.engines.pooling import pool_bits, pool_luts
from twofold.hw.engines.scatter.banks import bank_style, ports_by_generator
from twofold.hw.engines.scatter.constants import DISTRIBUTED_DEPTH
from twofold.hw.engines.scatter.routing import routing
from twofold.hw.engines.scatter.weights import (
    ENGINES,
    adds_address,
    memory_depth,
    memory_spans,
    own_style,
    shared_style,
)
from twofold.hw.engines.winners.vector import LUT_RAM_DEPTH, GlobalWinners
from twofold.hw.primitives.dsp import SPACING, PackedSum

CALIBRATION = Path(__file__).with_name("calibration.json")
SHIFT_BITS = SHIFT_MAX.bit_length()
LEVELS = 15
GATHER_CONTROL_LUTS, GATHER_CONTROL_FFS = 200, 60
SCATTER_CONTROL_LUTS, SCATTER_CONTROL_FFS = 35, 80
CONFIG_BITS = 75
LOADER = Resources(lut=1000, ff=700)


@dataclass(frozen=True)
class Component:
    """A part of a machine that the model covers.

    Attributes
    ----------
    layer: name of its layer, "" if it belongs to none.
    kind: key of its factors.
    count: number of instances.
    each: what one instance uses.
    """

    layer: str
    kind: str
    count: int
    each: Resources

    @property
    def total(self) -> Resources:
        """What all instances use."""
        return self.each * self.count


@cache
def factors() -> dict[str, dict[str, float]]:
    """LUT and flip-flop factors for each kind of component."""
    return json.loads(CALIBRATION.read_text(encoding="utf-8"))["factors"]


def calibrated(component: Component) -> Component:
    """The component scaled by the factors of its kind."""
    found, each = factors()[component.kind], component.each
    scaled = Resources(
        each.lut * found["lut"], each.ff * found["ff"], each.bram36, each.uram, each.dsp
    )
    return Component(component.layer, component.kind, component.count, scaled)


def front(plan: Plan, folding: Folding) -> Iterator[Component]:
    """Components of a layer up to its accumulators, by formula; what follows them does not matter.

    Of ``folding`` only the input and the frames are used. Raises FoldingError if no feed can be
    built.
    """
    yield from _counters(plan, front_counters(plan))
    yield from _FRONTS[type(plan)](plan, folding)


def back(plan: Plan) -> Iterator[Component]:
    """The remaining components of a layer, by formula; the previous layer does not matter."""
    yield from _counters(plan, back_counters(plan))
    yield from _BACKS[type(plan)](plan)


def layer_components(plan: Plan, folding: Folding) -> Iterator[Component]:
    """All components of a layer, by formula. Raises FoldingError if no feed can be built."""
    yield from front(plan, folding)
    yield from back(plan)


def components(found: tuple[Plan, ...], folding: Folding) -> list[Component]:
    """All components of a machine, scaled."""
    layers = [one for plan in found for one in layer_components(plan, folding)]
    return [calibrated(one) for one in [*layers, *shared_components(len(found))]]


def joined(found: Iterable[Component]) -> list[Component]:
    """The components, with those of the same layer and kind merged."""
    whole: dict[tuple[str, str], Component] = {}
    for one in found:
        key = one.layer, one.kind
        if key in whole:
            one = replace(one, count=1, each=whole[key].total + one.total)
        whole[key] = one
    return list(whole.values())


def shared_components(layers: int) -> list[Component]:
    """What belongs to no layer of a ``layers``-layer machine: image loader, config bus, totals."""
    bus = Resources(lut=20, ff=CONFIG_BITS * layers)
    return [
        Component("", "loader", 1, LOADER),
        Component("", "core", 1, bus),
        Component("", "counters", 1, totals()),
    ]


def _counters(plan: Plan, found: Resources) -> Iterator[Component]:
    """What a layer adds to the counters, which belong to no layer."""
    if plan.stage.index < LAYERS_COUNTED:
        yield Component("", "counters", 1, found)


def _control_bits(plan: GatherPlan) -> int:
    """Bits broadcast to all gather tiles per cycle."""
    windows = Windows(plan)
    rows, columns = plan.row_phases * windows.row_bits, plan.col_phases * windows.column_bits
    lookup = rows + columns + windows.plane_bits + (plan.phases - 1).bit_length()
    step = ACT_BITS + lookup + (windows.copies - 1).bit_length() + 1 + 2 * windows.emptied
    channel = (
        plan.stage.add_bits
        + SHIFT_BITS
        + MUL_BITS * plan.stage.layer.multiplier
        + (plan.stage.channels - 1).bit_length()
        + 5
    )
    return plan.folding.streams * step + channel


def _gather_tile(plan: GatherPlan) -> Resources:
    windows, stage, streams = Windows(plan), plan.stage, plan.folding.streams
    positions, phases, bits = stage.positions, plan.phases, windows.sum_bits
    lut = shared_ram_luts(windows.depth, ACT_BITS, streams * phases)
    lut += streams * positions * ACT_BITS * mux_luts(phases)
    lut += windows.emptied * streams * positions * bits
    lut += positions * bits * mux_luts(streams) + 1.5 * pool_luts(stage)
    ff = _control_bits(plan) + ACT_BITS * phases + 10
    ff += windows.emptied * streams * positions * bits
    ff += positions * bits + pool_bits(stage)
    dsp = streams * stage.pool_window[0] * -(-stage.pool_window[1] // 2)
    tail = requantise(stage.pooled_bits, stage.add_bits, multiplier=stage.layer.multiplier)
    return Resources(lut=lut, ff=ff, dsp=dsp) + tail + insertion_list(stage.channels, stage.k)


def _gather_stage(plan: GatherPlan, folding: Folding) -> Resources:
    stage, streams = plan.stage, plan.folding.streams
    planes, height, width = stage.in_shape
    beat = folding.input_bytes
    banks, parts = max(1, beat // width), max(1, width // beat)
    lines = -(-planes * height // banks)
    images = 2
    frame = banks * parts * lut_ram_luts(images * lines, ACT_BITS * min(beat, width))
    frame *= plan.row_phases
    taps = streams * lut_ram_luts(plan.steps, ACT_BITS + (stage.inputs - 1).bit_length())
    constants = lut_ram_luts(stage.channels, stage.add_bits)
    pixels = ACT_BITS * width * plan.row_phases
    lut = GATHER_CONTROL_LUTS + frame + pixels * (mux_luts(banks) + 1) + taps + constants
    ff = GATHER_CONTROL_FFS + 2 * pixels + (1 + plan.folding.rows) * _control_bits(plan)
    return Resources(lut=lut, ff=ff)


def _address_bits(plan: ScatterPlan) -> int:
    return max(1, (memory_depth(plan, memory_spans(plan)[0]) - 1).bit_length())


def _element_bits(plan: ScatterPlan) -> int:
    return ACT_BITS + (plan.stage.slots - 1).bit_length()


def _tile(plan: ScatterPlan, tiles: int) -> tuple[str, int, Resources]:
    """Kind of the tiles of a scatter layer, their number, and what one uses."""
    if plan.sums_in_dsp:
        return "dense tile", tiles, _dense_tile(plan)
    if plan.shares_rows:
        return "shared tile", tiles, _shared_tile(plan)
    return "scatter tile", tiles, _scatter_tile(plan)


def _dense_tile(plan: ScatterPlan) -> Resources:
    bits, lanes, drain = plan.stage.acc_bits, plan.folding.lanes, plan.folding.drain
    engines, positions = len(plan.spans), plan.stage.positions
    groups, pairs = lanes // drain, -(-lanes // 2)
    excess = (plan.winner_beats << PackedSum.BIAS_BITS >> SPACING).bit_length() + 2
    pair = Resources(lut=excess + 1, ff=1 + 2 * excess + SPACING + bits, dsp=1)
    chosen = bits * mux_luts(groups) + excess * mux_luts(-(-groups // 2))
    registers = (bits + excess) * _choice_registers(groups)
    choice = Resources(lut=chosen + bits, ff=registers + bits) * drain
    inputs = ACT_BITS * engines * (positions + lanes) + groups.bit_length()
    engine = pair * pairs + choice
    return engine * (engines * positions) + _trees(plan) + Resources(ff=inputs)


def _shared_tile(plan: ScatterPlan) -> Resources:
    """A tile in which positions share the address registers too."""
    bits, lanes, drain = plan.stage.acc_bits, plan.folding.lanes, plan.folding.drain
    engines, positions = len(plan.spans), plan.stage.positions
    depth, groups = plan.rounds * plan.stage.slots, lanes // drain
    address = (depth - 1).bit_length()
    memory = 2 * update_ram_luts(depth, bits + 1) if depth > 1 else bits
    lane = Resources(lut=memory + bits, ff=0 if depth > 1 else 2 * (bits + 1))
    levels = _choice_registers(groups)
    choice = Resources(lut=bits * mux_luts(2 * groups), ff=bits * levels) * drain
    engine = lane * lanes + choice + Resources(dsp=-(-lanes // 2))
    rounds_counted = plan.rounds > 1
    shared = Resources(lut=(2 + rounds_counted) * address * lanes, ff=5 * address * lanes) * engines
    inputs = engines * (ACT_BITS * positions + _element_bits(plan) * lanes) + 20
    return engine * (engines * positions) + shared + _trees(plan) + Resources(ff=inputs)


def _trees(plan: ScatterPlan) -> Resources:
    """Adder trees over the engines, and pooling of the positions."""
    drain, stage = plan.folding.drain, plan.stage
    adders = stage.positions * (len(plan.spans) - 1) * drain * stage.acc_bits
    pooling = 1.6 * drain * pool_luts(stage)
    return Resources(lut=adders + pooling, ff=adders + drain * pool_bits(stage))


def _shared_weights(plan: ScatterPlan) -> Resources:
    """Weight memories that all positions share, with registers before and after them."""
    bits, lanes, engines = _element_bits(plan), plan.folding.lanes, len(plan.spans)
    registers = Resources(lut=10 * engines, ff=engines * (16 + bits * lanes))
    return registers + _memories(plan, shared_style)


def _scatter_tile(plan: ScatterPlan) -> Resources:
    stage, folding = plan.stage, plan.folding
    lanes, engines, positions = folding.lanes, len(plan.spans), stage.positions
    bits, depth = stage.acc_bits, plan.rounds * stage.slots
    address = (depth - 1).bit_length()
    if depth == 1:
        lane = Resources(lut=2 * bits, ff=2 * (bits + 1))
    else:
        memory = 2 * update_ram_luts(depth, bits + 1)
        rounds_counted = plan.rounds > 1
        lane = Resources(lut=memory + bits + 3 * address + rounds_counted * address, ff=3 * address)
    groups = lanes // folding.drain
    levels = _choice_registers(groups)
    choice = Resources(lut=bits * mux_luts(2 * groups), ff=bits * levels) * folding.drain
    address_lut = _address_bits(plan) if not plan.streamed else 2
    # A row address that is not a plain concatenation is computed with a multiplier: one DSP.
    dsp = -(-lanes // 2) + adds_address(plan)
    engine = lane * lanes + choice + Resources(lut=address_lut, ff=ACT_BITS, dsp=dsp)
    control = Resources(ff=_element_bits(plan) + lanes + 20 + _address_bits(plan))
    return engine * (engines * positions) + _weights(plan) * positions + _trees(plan) + control


def _choice_registers(groups: int) -> int:
    """Registers after the multiplexers that select a lane."""
    registers = 0
    while True:
        groups = -(-groups // 4)
        registers += groups
        if groups == 1:
            return registers


def _weights(plan: ScatterPlan) -> Resources:
    """Weight memories of one position."""
    return _memories(plan, lambda _: own_style(plan))


def _memories(plan: ScatterPlan, style: Callable[[int], str]) -> Resources:
    """One set of weight memories; ``style`` says which kind a memory of a given depth is."""
    bits, lanes, engines = _element_bits(plan), plan.folding.lanes, len(plan.spans)
    found = Resources()
    for at, span in enumerate(memory_spans(plan)):
        depth, reads = memory_depth(plan, span), min(ENGINES, engines - at * ENGINES)
        if style(depth) == "ultra":
            found += Resources(uram=ultra_rams(depth, bits, lanes))
        else:
            found += Resources(bram36=block_rams(depth, bits, lanes, reads))
            # The estimate does not merge output registers into block RAMs.
            found += Resources(ff=reads * bits * lanes)
    return found


def _pixel_tail(plan: ScatterPlan) -> Resources:
    stage = plan.stage
    tail = requantise(stage.pooled_bits, stage.add_bits, multiplier=stage.layer.multiplier)
    registers = Resources(ff=stage.add_bits + SHIFT_BITS + (stage.channels - 1).bit_length() + 3)
    return tail + registers + insertion_list(stage.channels, stage.k)


def _feed(plan: ScatterPlan, frames: int) -> Resources:
    """Banks of winner lists and the multiplexers before the engines."""
    stage = plan.stage
    found = routing(plan)
    entry = ACT_BITS + (0 if plan.shares_rows else max(1, plan.index_bits))
    depth = frames * plan.source.passes * stage.in_k
    steps = plan.passes * plan.engine_taps
    tables = sum(
        (max(choices)).bit_length() * mux_luts(-(-steps // 16))
        for choices in (*found.selects, *found.generators)
    )
    address = (depth - 1).bit_length()
    if bank_style(plan, frames) == "block":
        widths = [entry * len(ports) for ports in ports_by_generator(found).values()]
        memories = Resources(bram36=sum(block_rams(depth, wide, 1, 1) for wide in widths))
    else:
        memories = Resources(
            lut=len(found.ports) * lut_ram_luts(depth, entry), ff=entry * len(found.ports)
        )
    lut = tables + len(found.generators) * address
    lut += entry * sum(mux_luts(len(reader.sources)) for reader in found.readers)
    ff = entry * len(found.readers)
    ff += len(found.generators) * address
    ff += sum((max(choices)).bit_length() for choices in found.selects)
    return memories + Resources(lut=lut, ff=ff)


def _scatter_stage(plan: ScatterPlan, frames: int) -> Resources:
    """Feed, sequencers, writer and constants, and what follows the tile in a linear layer."""
    stage, drain, lanes = plan.stage, plan.folding.drain, plan.folding.lanes
    entry = ACT_BITS + max(1, plan.index_bits)
    found = Resources(lut=SCATTER_CONTROL_LUTS + lanes, ff=SCATTER_CONTROL_FFS + lanes)
    if plan.streamed:
        found += Resources(lut=ACT_BITS * plan.folding.engines, ff=entry * plan.folding.engines)
    else:
        for side, skips in zip(plan.sides, stage.skips, strict=True):
            found += _feed(side, frames + skips)
    if plan.shares_rows:
        found += _shared_weights(plan)
    bits = stage.add_bits + MUL_BITS * stage.layer.multiplier
    if plan.drain_steps <= DISTRIBUTED_DEPTH:
        found += Resources(lut=drain * lut_ram_luts(plan.drain_steps, bits), ff=drain * bits)
    else:
        found += Resources(bram36=block_rams(plan.drain_steps, bits, drain, 1))
    return found + _ROWS[stage.output](plan)


def _winners(plan: ScatterPlan) -> Resources:
    """Global winners."""
    stage, drain, emit = plan.stage, plan.folding.drain, plan.emit
    searching = stage.k < stage.channels
    depth, memories = GlobalWinners.SAMPLES * plan.drain_steps, 1 + searching
    count = stage.channels.bit_length()
    found = Resources(lut=150 + drain * (24 + 12 * emit), ff=150 + drain * (20 + 14 * emit))
    if searching:
        each = Resources(lut=2.5 * drain + 3 * count, ff=1.8 * drain + 2.7 * count)
        found += each * (2 * LEVELS)
    found += Resources(lut=lut_ram_luts(32, ACT_BITS * drain), ff=2 * ACT_BITS * drain)
    if depth <= LUT_RAM_DEPTH:
        rows = lut_ram_luts(depth, ACT_BITS * drain)
        return found + Resources(lut=rows, ff=ACT_BITS * drain) * memories
    return found + Resources(
        bram36=memories * block_rams(depth, ACT_BITS * drain, 1, 1),
        ff=memories * ACT_BITS * drain,
    )


def _gather_front(plan: GatherPlan, folding: Folding) -> Iterator[Component]:
    name = plan.stage.name
    yield Component(name, "gather tile", plan.folding.tiles, _gather_tile(plan))
    yield Component(name, "gather stage", 1, _gather_stage(plan, folding))


def _scatter_front(plan: ScatterPlan, folding: Folding) -> Iterator[Component]:
    name = plan.stage.name
    yield Component(name, *_tile(plan, plan.folding.tiles))
    yield Component(name, "scatter stage", 1, _scatter_stage(plan, folding.frames))


def _vector_front(plan: VectorPlan, folding: Folding) -> Iterator[Component]:
    yield from _scatter_front(plan, folding)
    beat, engines = folding.input_bytes, plan.folding.engines
    numbers = 2 * plan.index_bits + (beat // engines).bit_length()
    chunk = Resources(lut=ACT_BITS * engines * mux_luts(beat // engines), ff=ACT_BITS * beat)
    yield Component(plan.stage.name, "scatter stage", 1, chunk + Resources(numbers, numbers))


def _scatter_back(plan: ScatterPlan) -> Iterator[Component]:
    kind, count, each = _ENDS[plan.stage.output](plan)
    yield Component(plan.stage.name, kind, count, each)


def _requantised_row(plan: ScatterPlan) -> Resources:
    """Requantisation of the channels that leave per cycle."""
    stage, multiplier = plan.stage, plan.stage.layer.multiplier
    return requantise(stage.pooled_bits, stage.add_bits, multiplier=multiplier) * plan.drain


_FRONTS: dict[type[Plan], Callable[[Any, Folding], Iterator[Component]]] = {
    GatherPlan: _gather_front,
    ScatterPlan: _scatter_front,
    JoinPlan: _scatter_front,
    VectorPlan: _vector_front,
}
"""Components up to the accumulators, per engine; a gather tile also includes all that follows."""

_BACKS: dict[type[Plan], Callable[[Any], Iterable[Component]]] = {
    GatherPlan: lambda _: (),
    ScatterPlan: _scatter_back,
    JoinPlan: _scatter_back,
    VectorPlan: _scatter_back,
}
"""Components after the accumulators, per engine."""

_ROWS: dict[Output, Callable[[ScatterPlan], Resources]] = {
    Output.PIXELS: lambda _: Resources(),
    Output.WINNERS: _requantised_row,
    Output.LOGITS: lambda plan: Resources(lut=LOGIT_BITS, ff=LOGIT_BITS) * plan.drain,
}
"""What turns sums into activations or logits inside the stage, per form of output."""

_ENDS: dict[Output, Callable[[ScatterPlan], tuple[str, int, Resources]]] = {
    Output.PIXELS: lambda plan: ("pixel tail", plan.folding.tiles, _pixel_tail(plan)),
    Output.WINNERS: lambda plan: ("winners", 1, _winners(plan)),
    Output.LOGITS: lambda plan: ("result", 1, result(plan.stage.channels, plan.drain)),
}
"""Kind and number of the components after the accumulators, per form of output."""
