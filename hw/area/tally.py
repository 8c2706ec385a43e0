"""What a machine's counters use (see `twofold.hw.machine.counters`)."""

from twofold.hw.area.blocks import lut_ram_luts, pop_count
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.folding import Plan
from twofold.hw.contract.regs import COUNTER_BITS
from twofold.hw.machine.counters import NUMBERS, Counters

ACTIVITIES = 3


def _tally(width: int, weight: int = 1) -> Resources:
    """A counter of ``width`` flags per cycle between two readouts, times a weight."""
    period = Counters.ROUND_MIN * 3
    count, amount = (width * period).bit_length(), (width * period * weight).bit_length()
    adders = (weight ^ 3 * weight).bit_count() - 1  # signed digits of the weight, less one
    ones = pop_count(width) if width > 1 else Resources()
    return ones + Resources(lut=2 * count + (adders + 1) * amount, ff=width + count + amount)


def front_counters(plan: Plan) -> Resources:
    """Counters of a layer's activity and lookups."""
    return _tally(1) * ACTIVITIES + _tally(plan.lookups, plan.products_of_lookup)


def back_counters(plan: Plan) -> Resources:
    """Counters of what leaves a layer."""
    if plan.stage.last:
        return Resources()
    return _tally(plan.entries) + Resources(lut=2 * plan.entries)


def totals() -> Resources:
    """The memory of all totals with its adder, and the cycle counter."""
    memory = 2 * lut_ram_luts(NUMBERS, COUNTER_BITS)
    return _tally(1) + Resources(lut=memory + 2 * COUNTER_BITS, ff=4 * COUNTER_BITS + NUMBERS)
