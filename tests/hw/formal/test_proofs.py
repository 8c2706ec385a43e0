# amaranth: UnusedElaboratable=no
"""Bounded proofs, and for each a mutant that must be refuted: what cannot fail proves nothing."""

import pytest
from amaranth.hdl import Value

from hw.contract.errors import ToolError
from hw.formal.benches import CreditsBench, LocalWinnersBench, QueueBench
from hw.formal.prove import find_tools, prove
from hw.links import Credits
from hw.queue import Queue
from hw.winners import LocalWinners


@pytest.fixture(autouse=True)
def _tools() -> None:
    try:
        find_tools()
    except ToolError as error:
        pytest.skip(str(error))


class HigherIndexWins(LocalWinners):
    """Mutant: an equal value overtakes."""

    def _overtakes(self, listed: Value) -> Value:
        return self.value >= listed


def test_local_winners() -> None:
    """Deep enough for three passes and the entries of the second and third, or two with gaps."""
    verdict = prove(LocalWinnersBench(LocalWinners(4, 2), value_max=7), depth=16)
    assert verdict.holds, verdict.log


def test_local_winners_mutant() -> None:
    assert not prove(LocalWinnersBench(HigherIndexWins(4, 2)), depth=16).holds


def test_credits() -> None:
    """More cycles than the counter has states, in all orders: complete, not only bounded."""
    verdict = prove(CreditsBench(Credits(3), frames=3), depth=12)
    assert verdict.holds, verdict.log


def test_credits_mutant() -> None:
    assert not prove(CreditsBench(Credits(4), frames=3), depth=12).holds


def test_queue() -> None:
    verdict = prove(QueueBench(Queue(2, 3)), depth=11)
    assert verdict.holds, verdict.log


def test_queue_mutant() -> None:
    assert not prove(QueueBench(Queue(2, 3), patient=False), depth=11).holds
