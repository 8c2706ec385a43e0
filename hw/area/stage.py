"""What a scatter layer uses outside its tiles, by formula: feeds, constants and global winners."""

from collections.abc import Callable

from twofold.hw.area.prices.base import Prices
from twofold.hw.area.scatter import shared_weights
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.arith import ACT_BITS, LOGIT_BITS, MUL_BITS
from twofold.hw.contract.folding import Folding, ScatterPlan, VectorPlan
from twofold.hw.contract.network import Output
from twofold.hw.engines.scatter.banks import bank_style, ports_by_generator
from twofold.hw.engines.scatter.routing import routing
from twofold.hw.engines.winners.vector import LUT_RAM_DEPTH, GlobalWinners

LEVELS = 15
CONTROL_LUTS, CONTROL_FFS = 35, 80


def scatter_stage(plan: ScatterPlan, frames: int, prices: Prices) -> Resources:
    """Feed, sequencers, writer and constants, and what follows the tile in a linear layer.

    Raises FoldingError if no feed can be built.
    """
    stage, drain, lanes = plan.stage, plan.folding.drain, plan.folding.lanes
    entry = ACT_BITS + max(1, plan.index_bits)
    found = Resources(lut=CONTROL_LUTS + lanes, ff=CONTROL_FFS + lanes)
    if plan.streamed:
        found += Resources(lut=ACT_BITS * plan.folding.engines, ff=entry * plan.folding.engines)
    else:
        for side, skips in zip(plan.sides, stage.skips, strict=True):
            found += _feed(side, frames + skips, prices)
    if plan.shares_rows:
        found += shared_weights(plan, prices)
    widths = stage.add_bits, *((MUL_BITS,) if stage.layer.multiplier else ())
    found += prices.constants(plan.drain_steps, widths, drain)
    return found + ROWS[stage.output](plan, prices)


def chunks(plan: VectorPlan, folding: Folding, prices: Prices) -> Resources:
    """Cutting beats of the input into chunks, in a layer over the input."""
    beat, engines = folding.input_bytes, plan.folding.engines
    numbers = 2 * plan.index_bits + (beat // engines).bit_length()
    choice = ACT_BITS * engines * prices.multiplexer(beat // engines)
    return Resources(lut=choice, ff=ACT_BITS * beat) + Resources(numbers, numbers)


def winners(plan: ScatterPlan, prices: Prices) -> Resources:
    """Global winners."""
    stage, drain, emit = plan.stage, plan.folding.drain, plan.emit
    searching = stage.k < stage.channels
    rows = -(-stage.channels // drain)  # without those that only fill up the sets
    depth, memories = GlobalWinners.SAMPLES * rows, 1 + searching
    count = stage.channels.bit_length()
    found = Resources(lut=150 + drain * (24 + 12 * emit), ff=150 + drain * (20 + 14 * emit))
    if searching:
        sums = prices.gated_adder(count) + prices.adder(count) + count
        each = Resources(lut=2.5 * drain + sums, ff=1.8 * drain + 2.7 * count)
        found += each * (2 * LEVELS)
    found += Resources(lut=prices.lut_ram(32, ACT_BITS * drain), ff=2 * ACT_BITS * drain)
    style = "distributed" if depth <= LUT_RAM_DEPTH else "block"
    return found + prices.table(depth, ACT_BITS * drain, 1, 1, style) * memories


def _feed(plan: ScatterPlan, frames: int, prices: Prices) -> Resources:
    """Banks of winner lists and the multiplexers before the engines."""
    stage = plan.stage
    found = routing(plan)
    entry = ACT_BITS + (0 if plan.shares_rows else max(1, plan.index_bits))
    depth = frames * plan.source.passes * stage.in_k
    tables = [prices.rom(choices) for choices in found.selects]
    tables += [prices.rom(choices, stage.in_k) for choices in found.generators]
    address = (depth - 1).bit_length()
    if bank_style(plan, frames) == "block":
        ports = ports_by_generator(found).values()
        each = (prices.wide_bank(depth, entry * len(shared)) for shared in ports)
        memories = sum(each, Resources())
    else:
        ports = len(found.ports)
        memories = Resources(lut=ports * prices.lut_ram(depth, entry), ff=entry * ports)
    lut = len(found.generators) * prices.adder(address)
    lut += entry * sum(prices.multiplexer(len(reader.sources)) for reader in found.readers)
    ff = entry * len(found.readers)
    ff += len(found.generators) * address
    ff += sum((max(choices)).bit_length() for choices in found.selects)
    return sum(tables, memories) + Resources(lut=lut, ff=ff)


def _requantised_row(plan: ScatterPlan, prices: Prices) -> Resources:
    """Requantisation of the channels that leave per cycle."""
    stage, multiplier = plan.stage, plan.stage.layer.multiplier
    each = prices.requantise(stage.pooled_bits, stage.add_bits, multiplier=multiplier)
    return each * plan.drain


def _logits(plan: ScatterPlan, prices: Prices) -> Resources:
    return Resources(lut=prices.adder(LOGIT_BITS), ff=LOGIT_BITS) * plan.drain


ROWS: dict[Output, Callable[[ScatterPlan, Prices], Resources]] = {
    Output.PIXELS: lambda *_: Resources(),
    Output.WINNERS: _requantised_row,
    Output.LOGITS: _logits,
}
"""What turns sums into activations or logits inside the stage, per form of output."""
