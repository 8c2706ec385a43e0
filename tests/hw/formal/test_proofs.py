# amaranth: UnusedElaboratable=no
"""Bounded proofs, and for each a mutant that must be refuted: what cannot fail proves nothing."""

from typing import Any

import pytest
from amaranth.hdl import Const, Module, Mux, Signal, Value

from twofold.hw.contract.errors import ToolError
from twofold.hw.engines.links import Credits
from twofold.hw.engines.scatter.accumulators import Accumulators, EarlyAccumulators
from twofold.hw.engines.winners import LocalWinners
from twofold.hw.engines.winners.emission import Emission
from twofold.hw.formal.accumulators import AccumulatorsHarness
from twofold.hw.formal.harnesses import CreditsHarness, LocalWinnersHarness, QueueHarness
from twofold.hw.formal.prove import find_tools, prove
from twofold.hw.formal.streams import StreamHarness, axi_offer, offer
from twofold.hw.kernel.reader import Reader
from twofold.hw.kernel.widths import Narrow, Widen
from twofold.hw.machine.result import Result
from twofold.hw.primitives.queue import Queue


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
    verdict = prove(LocalWinnersHarness(LocalWinners(4, 2), value_max=7), depth=16)
    assert verdict.holds, verdict.log


def test_local_winners_mutant() -> None:
    assert not prove(LocalWinnersHarness(HigherIndexWins(4, 2)), depth=16).holds


def test_credits() -> None:
    """More cycles than the counter has states, in all orders: complete, not only bounded."""
    verdict = prove(CreditsHarness(Credits(3), frames=3), depth=12)
    assert verdict.holds, verdict.log


def test_credits_mutant() -> None:
    assert not prove(CreditsHarness(Credits(4), frames=3), depth=12).holds


def test_queue() -> None:
    verdict = prove(QueueHarness(Queue(2, 3)), depth=11)
    assert verdict.holds, verdict.log


def test_queue_mutant() -> None:
    assert not prove(QueueHarness(Queue(2, 3), ready_connected=False), depth=11).holds


class StaleSum(Accumulators):
    """Mutant: a product is added to the sum that was read one cycle before."""

    def _bank(self, m: Module, index: int, accumulates: Value, total: Value) -> Any:
        fresh = super()._bank(m, index, accumulates, total)
        stale, found = Signal(fresh.shape()), Signal(fresh.shape())
        m.d.sync += stale.eq(fresh)
        m.d.comb += found.eq(Mux(accumulates, stale, fresh))
        return found


class NeverClears(Accumulators):
    """Mutant: clearing leaves the mark, so the sum counts on."""

    def _bank(self, m: Module, index: int, accumulates: Value, total: Value) -> Any:
        return super()._bank(m, index, Const(1), total)


class SwapsEarly(Accumulators):
    """Mutant: the mark goes by the bank of the next product."""

    def _bank(self, m: Module, index: int, accumulates: Value, total: Value) -> Any:
        return super()._bank(m, index, self.bank == index, total)


ACCUMULATORS_DEPTH = 8
"""Cycles: two products on one sum, a swap, two drains with clearing, a swap back, two products."""


@pytest.mark.parametrize("depth", [1, 2])
def test_accumulators(depth: int) -> None:
    dut = Accumulators(depth=depth, acc_bits=2)
    verdict = prove(AccumulatorsHarness(dut), depth=ACCUMULATORS_DEPTH)
    assert verdict.holds, verdict.log


@pytest.mark.parametrize("mutant", [StaleSum, NeverClears, SwapsEarly])
def test_accumulators_mutants(mutant: type[Accumulators]) -> None:
    dut = mutant(depth=2, acc_bits=2)
    assert not prove(AccumulatorsHarness(dut), depth=ACCUMULATORS_DEPTH).holds


def test_early_accumulators() -> None:
    dut = EarlyAccumulators(depth=2, acc_bits=2)
    verdict = prove(AccumulatorsHarness(dut), depth=ACCUMULATORS_DEPTH + 1)
    assert verdict.holds, verdict.log


class ReadsTheOtherBank(EarlyAccumulators):
    """Mutant: what the bank that drains has at the address counts, too."""

    def _early(
        self, m: Module, index: int, address: Value, accumulates: Value, total: Value
    ) -> Any:
        return super()._early(m, index, address, Const(1), total)


def test_early_accumulators_mutant() -> None:
    dut = ReadsTheOtherBank(depth=2, acc_bits=2)
    assert not prove(AccumulatorsHarness(dut), depth=ACCUMULATORS_DEPTH + 1).holds


def _narrow() -> StreamHarness:
    dut = Narrow(256)
    return StreamHarness(dut, [offer(dut.o)], [offer(dut.i)])


def _widen() -> StreamHarness:
    dut = Widen(2)
    return StreamHarness(dut, [offer(dut.o)], [offer(dut.i)])


def _emission() -> StreamHarness:
    dut = Emission(4, 2, 1)
    return StreamHarness(dut, [offer(dut.o)], [offer(dut.i)])


def _result() -> StreamHarness:
    dut = Result(3, 2)
    return StreamHarness(dut, [offer(dut.o)])


def _reader() -> StreamHarness:
    """Answers only make room, so the memory is silent: two bursts, one of them waiting."""
    dut = Reader(unit=1, burst=2, depth=4)
    rule = ~(dut.start & dut.busy) & ~dut.axi.rvalid
    return StreamHarness(dut, [axi_offer(dut.axi, "ar", "addr", "len")], rule=rule)


@pytest.mark.parametrize("harness", [_narrow, _widen, _emission, _result, _reader])
def test_offers_stay(harness: Any) -> None:
    verdict = prove(harness(), depth=12)
    assert verdict.holds, verdict.log


class HandsThrough(Narrow):
    """Mutant: a beat of its source replaces the one that waits."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


def test_offers_stay_mutant() -> None:
    dut = HandsThrough(256)
    assert not prove(StreamHarness(dut, [offer(dut.o)], [offer(dut.i)]), depth=12).holds
