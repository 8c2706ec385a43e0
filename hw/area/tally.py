"""What a machine's counters use (see `twofold.hw.machine.counters`)."""

from twofold.hw.area.prices.base import Prices
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.folding import Plan
from twofold.hw.contract.regs import COUNTER_BITS
from twofold.hw.machine.counters import NUMBERS, Counters

ACTIVITIES = 3


def _tally(prices: Prices, width: int, weight: int = 1) -> Resources:
    """A counter of ``width`` flags per cycle between two readouts, times a weight."""
    period = Counters.ROUND_MIN * 3
    count, amount = (width * period).bit_length(), (width * period * weight).bit_length()
    adders = (weight ^ 3 * weight).bit_count() - 1  # signed digits of the weight, less one
    ones = prices.pop_count(width) if width > 1 else Resources()
    return ones + Resources(
        lut=2 * prices.adder(count) + (adders + 1) * prices.adder(amount), ff=width + count + amount
    )


def front_counters(plan: Plan, prices: Prices) -> Resources:
    """Counters of a layer's activity and lookups."""
    return _tally(prices, 1) * ACTIVITIES + _tally(prices, plan.lookups, plan.products_of_lookup)


def back_counters(plan: Plan, prices: Prices) -> Resources:
    """Counters of what leaves a layer."""
    if plan.stage.last:
        return Resources()
    return _tally(prices, plan.entries) + Resources(lut=2 * plan.entries)


def totals(prices: Prices) -> Resources:
    """The memory of all totals with its adder, and the cycle counter."""
    memory = 2 * prices.lut_ram(NUMBERS, COUNTER_BITS)
    return _tally(prices, 1) + Resources(
        lut=memory + 2 * prices.adder(COUNTER_BITS), ff=4 * COUNTER_BITS + NUMBERS
    )
