"""What the tiles of a scatter layer use, by formula, with their weight memories and tails."""

from collections.abc import Callable

from twofold.hw.area.prices.base import Prices
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.arith import ACT_BITS, SHIFT_MAX
from twofold.hw.contract.folding import ScatterPlan
from twofold.hw.engines.pooling import pool_bits, pool_luts
from twofold.hw.engines.scatter.weights import (
    ENGINES,
    adds_address,
    memory_depth,
    memory_spans,
    own_style,
    shared_style,
)
from twofold.hw.primitives.dsp import SPACING, PackedSum
from twofold.hw.primitives.memory import Style

SHIFT_BITS = SHIFT_MAX.bit_length()


def tiles(plan: ScatterPlan, count: int, prices: Prices) -> tuple[str, int, Resources]:
    """Kind of the ``count`` tiles of a scatter layer, their number, and what one uses."""
    if plan.sums_in_dsp:
        return "dense tile", count, _dense_tile(plan, prices)
    if plan.shares_rows:
        return "shared tile", count, _shared_tile(plan, prices)
    return "scatter tile", count, _scatter_tile(plan, prices)


def shared_weights(plan: ScatterPlan, prices: Prices) -> Resources:
    """Weight memories that all positions share, with registers before and after them."""
    bits, lanes, engines = _element_bits(plan), plan.folding.lanes, len(plan.spans)
    registers = Resources(lut=10 * engines, ff=engines * (16 + bits * lanes))
    return registers + _memories(plan, shared_style, prices)


def pixel_tail(plan: ScatterPlan, prices: Prices) -> Resources:
    """What follows the sums of a tile whose winners are those of a pixel."""
    stage = plan.stage
    tail = prices.requantise(stage.pooled_bits, stage.add_bits, multiplier=stage.layer.multiplier)
    registers = Resources(ff=stage.add_bits + SHIFT_BITS + (stage.channels - 1).bit_length() + 3)
    return tail + registers + prices.insertion_list(stage.channels, stage.k)


def _address_bits(plan: ScatterPlan) -> int:
    return max(1, (memory_depth(plan, memory_spans(plan)[0]) - 1).bit_length())


def _element_bits(plan: ScatterPlan) -> int:
    return ACT_BITS + (plan.stage.slots - 1).bit_length()


def _dense_tile(plan: ScatterPlan, prices: Prices) -> Resources:
    bits, lanes, drain = plan.stage.acc_bits, plan.folding.lanes, plan.folding.drain
    engines, positions = len(plan.spans), plan.stage.positions
    groups = lanes // drain
    excess = (plan.winner_beats << PackedSum.BIAS_BITS >> SPACING).bit_length() + 2
    chosen = bits * prices.multiplexer(groups) + excess * prices.multiplexer(-(-groups // 2))
    registers = (bits + excess) * _choice_registers(groups)
    choice = Resources(lut=chosen + prices.adder(bits), ff=registers + bits) * drain
    inputs = ACT_BITS * engines * (positions + lanes) + groups.bit_length()
    engine = prices.dense_lanes(lanes, excess, bits) + choice
    return engine * (engines * positions) + _trees(plan, prices) + Resources(ff=inputs)


def _shared_tile(plan: ScatterPlan, prices: Prices) -> Resources:
    bits, lanes, drain = plan.stage.acc_bits, plan.folding.lanes, plan.folding.drain
    engines, positions = len(plan.spans), plan.stage.positions
    depth, groups = plan.rounds * plan.stage.slots, lanes // drain
    sums = prices.lanes_of_positions(depth, bits, positions, rounded=plan.rounds > 1)
    levels = _choice_registers(groups)
    chosen = bits * prices.multiplexer(2 * groups)
    choice = Resources(lut=chosen, ff=bits * levels) * drain
    engine = choice + prices.products(lanes)
    inputs = engines * (ACT_BITS * positions + _element_bits(plan) * lanes) + 20
    every = engine * (engines * positions) + sums * (lanes * engines)
    base = prices.slot_base(plan.rounds, plan.stage.slots)
    return every + base + _trees(plan, prices) + Resources(ff=inputs)


def _trees(plan: ScatterPlan, prices: Prices) -> Resources:
    """Adder trees over the engines, and pooling of the positions."""
    drain, stage = plan.folding.drain, plan.stage
    adders = stage.positions * (len(plan.spans) - 1) * drain
    pooling = 1.6 * drain * prices.combination(pool_luts(stage))
    lut = adders * prices.adder(stage.acc_bits) + pooling
    return Resources(lut=lut, ff=adders * stage.acc_bits + drain * pool_bits(stage))


def _scatter_tile(plan: ScatterPlan, prices: Prices) -> Resources:
    stage, folding = plan.stage, plan.folding
    lanes, engines, positions = folding.lanes, len(plan.spans), stage.positions
    bits, depth = stage.acc_bits, plan.rounds * stage.slots
    lane = prices.lane(depth, bits, rounded=plan.rounds > 1)
    groups = lanes // folding.drain
    levels = _choice_registers(groups)
    chosen = bits * prices.multiplexer(2 * groups)
    choice = Resources(lut=chosen, ff=bits * levels) * folding.drain
    address = Resources(lut=_address_bits(plan) if not plan.streamed else 2, ff=ACT_BITS)
    if adds_address(plan):
        # A row address that is not a plain concatenation is computed with a multiplier.
        address += prices.row_address(_address_bits(plan))
    engine = lane * lanes + choice + address + prices.products(lanes)
    control = Resources(ff=_element_bits(plan) + lanes + 20 + _address_bits(plan))
    weights = _memories(plan, lambda _: own_style(plan), prices)
    every = engine * (engines * positions) + weights * positions
    base = prices.slot_base(plan.rounds, stage.slots)
    return every + base + _trees(plan, prices) + control


def _choice_registers(groups: int) -> int:
    """Registers after the multiplexers that select a lane."""
    registers = 0
    while True:
        groups = -(-groups // 4)
        registers += groups
        if groups == 1:
            return registers


def _memories(plan: ScatterPlan, style: Callable[[int], Style], prices: Prices) -> Resources:
    """One set of weight memories; ``style`` says which kind a memory of a given depth is."""
    bits, lanes, engines = _element_bits(plan), plan.folding.lanes, len(plan.spans)
    found = Resources()
    for at, span in enumerate(memory_spans(plan)):
        depth, reads = memory_depth(plan, span), min(ENGINES, engines - at * ENGINES)
        found += prices.table(depth, bits, lanes, reads, style(depth))
    return found
