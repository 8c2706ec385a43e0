"""What finding and sending a result uses, by formula (see `twofold.hw.machine.result`)."""

from twofold.hw.area.prices.base import Prices
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.arith import LOGIT_BITS
from twofold.hw.contract.regs import BEAT_BYTES
from twofold.hw.contract.results import ResultRow
from twofold.hw.machine.result import Result, WideResult
from twofold.hw.primitives.queue import DeepQueue, Queue


def result(outputs: int, drain: int, prices: Prices) -> Resources:
    """For a result with its label, from rows of ``drain``; raw outputs would save little."""
    if ResultRow(outputs).beats > 1:
        return _wide(outputs, drain, prices)
    sample = LOGIT_BITS * outputs
    lut = prices.lut_ram(Result.SAMPLES, sample) + 80 + (drain - 1) * 2 * LOGIT_BITS
    return Resources(lut=lut, ff=2 * sample + 3 * LOGIT_BITS + drain * LOGIT_BITS)


def _wide(outputs: int, drain: int, prices: Prices) -> Resources:
    """For a result of several beats: the row queue, the row being cut, a beat, the search."""
    row, beat = LOGIT_BITS * drain, 8 * BEAT_BYTES
    kind, depth = WideResult.memory_of(outputs, drain)
    found = Resources(
        lut=120 + (drain - 1) * 2 * LOGIT_BITS + row + 2 * beat,
        ff=100 + 3 * LOGIT_BITS + 3 * row + beat,
    )
    if kind is Queue:
        return found + Resources(lut=prices.lut_ram(depth, row), ff=row)
    ahead = Resources(lut=prices.lut_ram(DeepQueue.AHEAD, row), ff=row)
    return found + ahead + Resources(bram36=prices.block_rams(depth, row, 1, 1))
