"""Dense against sparse for one network at the same area: whether pruning pays, before training.

Cycles and area follow from shapes and structure alone, so weights are not needed: a network of the
same shapes is described with the structure that training would give it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from twofold.hw.boards.resources import share
from twofold.hw.contract.errors import FoldingError, NetworkError
from twofold.hw.contract.layers import Complementary, Dense, Grouped, Layer, Taps
from twofold.hw.contract.layers.sparsity import SLOTS_MAX
from twofold.hw.contract.network import Network, Stage
from twofold.hw.solve.choose import Target, choose, input_width
from twofold.hw.solve.promising import QUICK
from twofold.hw.solve.solver import Solution, solve

VARIANTS = ("dense", "sparse-dense", "sparse-sparse")
STEP = 1.25
"""Ratio of the cycles of one attempt to those of the next."""
SLOWEST = 4
"""How many times the dense machine's cycles a sparse one may take."""
TAPS_MIN = 9
"""Least number of taps that a kernel of the first layer keeps."""


@dataclass(frozen=True)
class Sparsities:
    """What training would be asked for.

    Attributes
    ----------
    weights: share of the weights of a hidden layer that are kept, above 0, up to 1.
    activations: share of the activations that win, above 0, up to 1.

    Raises NetworkError for anything else.
    """

    weights: float = 0.1
    activations: float = 0.125

    def __post_init__(self) -> None:
        for what, value in (("weights", self.weights), ("activations", self.activations)):
            if not 0 < value <= 1:
                raise NetworkError(f"compare: a share of {value:g} of the {what}, needs 0 < x <= 1")


@dataclass(frozen=True)
class Compared:
    """A variant of the network on the board.

    Attributes
    ----------
    variant: one of `VARIANTS`.
    solution: the machine found; None if there is none, for the ``reason``.
    """

    variant: str
    solution: Solution | None
    reason: str = ""


def variant_of(network: Network, variant: str, sparsities: Sparsities) -> Network:
    """The network with the structure of this variant; groups of convolutions stay."""
    layers = [_layer(stage, variant, sparsities) for stage in network.stages]
    return replace(network, layers=tuple(layers))


def _layer(stage: Stage, variant: str, sparsities: Sparsities) -> Layer:
    layer, sparsity = stage.layer, stage.layer.sparsity
    dense = sparsity if isinstance(sparsity, Grouped) else Dense()
    if variant == "dense":
        return replace(layer, sparsity=dense, k=None)
    kept = dense if isinstance(dense, Grouped) or stage.last else _pruned(stage, sparsities.weights)
    winners = max(1, round(stage.channels * sparsities.activations))
    selects = variant == "sparse-sparse" and not stage.last and winners < stage.channels
    return replace(layer, sparsity=kept, k=winners if selects else None)


def _pruned(stage: Stage, share: float) -> Dense | Taps | Complementary:
    if stage.index == 0 and not stage.layer.FLATTENS:
        taps = min(stage.inputs, max(TAPS_MIN, round(share * stage.inputs)))
        return Taps((taps,) * stage.channels) if taps < stage.inputs else Dense()
    sets = max(1, round(share * stage.channels), -(-stage.channels // SLOTS_MAX))
    return Complementary(sets) if sets < stage.channels else Dense()


def compare(
    network: Network, target: Target, sparsities: Sparsities, say: Callable[[str], None]
) -> Iterator[Compared]:
    """The dense machine for the target, then the fastest sparse ones that are no larger, within a
    `STEP` of cycles.

    Raises FoldingError if there is no dense machine, and as `choose` does.
    """
    dense = choose(variant_of(network, VARIANTS[0], sparsities), target, say)
    yield Compared(VARIANTS[0], dense)
    for variant in VARIANTS[1:]:
        say(f"{variant}, in the same area")
        try:
            yield Compared(variant, _fastest(variant_of(network, variant, sparsities), dense))
        except FoldingError as error:
            yield Compared(variant, None, str(error))


def _fastest(network: Network, dense: Solution) -> Solution:
    """The fastest machine for ``network`` that takes no larger a share of a region than ``dense``
    does: of any of its resources, the share of the one that is the scarcest there.
    """
    region = dense.board.region
    budget = region * max(share(dense.resources, region))
    found, cycles = None, dense.cycles
    while True:
        try:
            found = solve(
                network,
                cycles,
                board=dense.board,
                budget=budget,
                input_bytes=input_width(network, cycles),
                efforts=(QUICK,),
            )
        except FoldingError:
            if found is not None:
                return found
            if cycles > SLOWEST * dense.cycles:
                raise
            cycles = math.ceil(STEP * cycles)
            continue
        if cycles > dense.cycles:
            return found
        cycles = math.floor(min(found.cycles, cycles) / STEP)
        if cycles < 1:
            return found
