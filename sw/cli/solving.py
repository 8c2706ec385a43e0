"""Solve a machine for a network and a target on a board."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.machine import Machine

if TYPE_CHECKING:
    from twofold.hw.contract.network import Network
    from twofold.hw.solve.choose import Target
    from twofold.hw.solve.solver import Solution


def solved(
    network: "Network",
    target: "Target",
    *,
    name: str | None = None,
    say: Callable[[str], None] = lambda _: None,
    lenient: bool = False,
) -> tuple[Machine, "Solution"]:
    """A machine, and the solution with the model's figures for it.

    ``lenient``: if no machine reaches the target cycles, take the fastest. Raises FoldingError if
    there is none.
    """
    from twofold.hw.solve.choose import choose

    try:
        solution = choose(network, target, say)
    except FoldingError:
        if not lenient or target.cycles is None:
            raise
        solution = choose(network, replace(target, cycles=None), say)
    name = name or f"{network.name}-{solution.cycles}"
    machine = Machine(name, network, solution.folding, target.board.name)
    return machine, solution
