"""Dense against sparse for one network at the same area: whether pruning pays, before training.

Cycles and area follow from shapes and structure alone, so weights are not needed: a network of the
same shapes is described with the structure that training would give it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from twofold.hw.boards.resources import share
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.network import Network
from twofold.hw.contract.sparsified import VARIANTS, Sparsities, variant_of
from twofold.hw.solve.choose import Target, choose, input_width
from twofold.hw.solve.promising import QUICK
from twofold.hw.solve.solver import Solution, solve

STEP = 1.25
"""Ratio of the cycles of one attempt to those of the next."""
SLOWEST = 4
"""How many times the dense machine's cycles a sparse one may take."""


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
                input_bytes=input_width(network, cycles, dense.board),
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
