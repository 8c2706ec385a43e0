"""From a target to a machine: cycles, latency, or the fastest that fits a board."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from twofold.hw.area.link import link
from twofold.hw.area.model import front
from twofold.hw.boards import default
from twofold.hw.boards.board import Board
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.engines import engine_of
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.folding import Folding, plans
from twofold.hw.contract.network import Network
from twofold.hw.contract.regs import BEAT_BYTES, sample_bytes
from twofold.hw.solve.candidates import divisors, widest
from twofold.hw.solve.promising import EFFORTS, QUICK
from twofold.hw.solve.solver import Solution, arrival, cost, solve

CLOSE = 1.04
"""How closely the fastest machine is searched for, as a ratio of cycles."""
STEP = 1.5
Step = Callable[[str], None]
"""Called with a description of each attempt."""


@dataclass(frozen=True)
class Target:
    """What a machine has to reach; without cycles or latency, it is the fastest within the budget.

    Attributes
    ----------
    cycles: maximum number of cycles per sample.
    latency: maximum number of cycles from the first beat of a sample to its result.
    board: target board.
    budget: what the machine may use; None for the board's ceilings applied to a region.
    input_bytes: input bytes taken per cycle; None chooses them.
    """

    cycles: int | None = None
    latency: int | None = None
    board: Board = field(default_factory=default)
    budget: Resources | None = None
    input_bytes: int | None = None


def choose(network: Network, target: Target, say: Step = lambda _: None) -> Solution:
    """The smallest machine that reaches the target, or the fastest one within the budget.

    Raises FoldingError if there is none, or the engines cannot support the network.
    """
    for what, value in (("cycles", target.cycles), ("latency", target.latency)):
        if value is not None and value < 1:
            raise FoldingError(f"folding: {what} is {value}, needs >= 1")
    # Reject a network that no engine supports before any search.
    plans(network, Folding(widest(network), input_bytes=min(input_widths(network))))
    if target.latency is not None:
        return _in_time(network, target, target.latency, say)
    if target.cycles is not None:
        return _least(network, target, target.cycles, say)
    return _fastest(network, target, say)


def input_widths(network: Network) -> list[int]:
    """Numbers of input bytes that a machine can take per cycle, ascending.

    Each divides a row or is a whole number of rows, divides a memory beat or is a whole number of
    beats, and divides a sample.
    """
    row, size = network.input_shape[2], sample_bytes(network)
    return [
        width
        for width in divisors(size)
        if (width % row == 0 or row % width == 0)
        and (width % BEAT_BYTES == 0 or BEAT_BYTES % width == 0)
    ]


def input_width(network: Network, cycles: int, board: Board | None = None) -> int:
    """The width of least area among those in which a sample arrives in ``cycles`` cycles.

    If none is fast enough, the choice is among the fastest. ``board``: None for the default.
    """
    board = board or default()
    widths = input_widths(network)
    quickest = min(arrival(network, width) for width in widths)
    fitting = [width for width in widths if arrival(network, width) <= max(cycles, quickest)]
    return min(fitting, key=lambda width: _area_of_input(network, width, board))


def _area_of_input(network: Network, width: int, board: Board) -> float:
    stage = network.stages[0]
    plan = engine_of(stage)().plan(stage, None)
    shape = Folding((), input_bytes=width)
    parts = [*front(plan, shape, board.family), *link(network, shape, board)]
    return cost(sum((one.total for one in parts), Resources()), board)


def _least(
    network: Network, target: Target, cycles: int, say: Step, *, quick: bool = False
) -> Solution:
    say(f"at most {cycles:,} cycles a sample")
    return solve(
        network,
        cycles,
        board=target.board,
        budget=target.budget,
        input_bytes=target.input_bytes or input_width(network, cycles, target.board),
        efforts=(QUICK,) if quick else EFFORTS,
    )


def _fastest(network: Network, target: Target, say: Step) -> Solution:
    """Raise the cycles from a lower bound until a machine is found, then bisect the last step."""
    cycles = failed = _bound(network, target)
    found = None
    while found is None:
        try:
            found = _least(network, target, cycles, say, quick=True)
        except FoldingError:
            slowest = plans(network, Folding(widest(network), input_bytes=1))
            if cycles > 4 * max(one.cycles for one in slowest) * sample_bytes(network):
                return _least(network, target, cycles, say)  # raises with the reason
            failed, cycles = cycles, math.ceil(STEP * cycles)
    while found.cycles > CLOSE * failed + 1:
        middle = max(failed + 1, math.isqrt(failed * found.cycles))
        try:
            found = _least(network, target, middle, say, quick=True)
        except FoldingError:
            failed = middle
    return found


def _bound(network: Network, target: Target) -> int:
    """Lower bound on the cycles of any machine within the budget."""
    width = target.input_bytes or input_width(network, 1, target.board)
    needed = sum(plan.products for plan in plans(network, Folding(widest(network), width)))
    most = (target.budget or target.board.budget).dsp * target.board.family.products_per_dsp
    return max(arrival(network, width), 0 if math.isinf(most) else math.ceil(needed / most))


def _in_time(network: Network, target: Target, latency: int, say: Step) -> Solution:
    """Reduce the cycles until a sample's latency is low enough."""
    cycles = min(latency, target.cycles or latency)
    while True:
        try:
            found = _least(network, target, cycles, say)
        except FoldingError as error:
            raise FoldingError(
                f"folding: no machine found with a latency of {latency} cycles; the last one "
                f"tried: {error}"
            ) from error
        if found.sample.latency <= latency:
            return found
        cycles = min(found.cycles - 1, math.floor(0.85 * cycles))
        if cycles < 1:
            raise FoldingError(f"folding: no machine has a latency of {latency} cycles")
