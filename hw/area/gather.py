"""What the components of a gather layer use, by formula."""

from collections.abc import Iterator

from amaranth.hdl import Shape

from twofold.hw.area.component import Component
from twofold.hw.area.prices.base import Prices
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.arith import ACT_BITS, MUL_BITS, SHIFT_MAX
from twofold.hw.contract.folding import Folding, GatherPlan
from twofold.hw.engines.gather.window import Windows
from twofold.hw.engines.pooling import pool_bits, pool_luts

SHIFT_BITS = SHIFT_MAX.bit_length()
CONTROL_LUTS, CONTROL_FFS = 200, 60


def gather_front(plan: GatherPlan, folding: Folding, prices: Prices) -> Iterator[Component]:
    """Components of the layer: tiles, which include all that follows the sums, and the stage."""
    name = plan.stage.name
    yield Component(name, "gather tile", plan.folding.tiles, _tile(plan, prices))
    yield Component(name, "gather stage", 1, _stage(plan, folding, prices))


def _control_bits(plan: GatherPlan) -> int:
    """Bits broadcast to all gather tiles per cycle."""
    windows = Windows(plan)
    rows, columns = plan.row_phases * windows.row_bits, plan.col_phases * windows.column_bits
    lookup = rows + columns + windows.plane_bits + (plan.phases - 1).bit_length()
    step = ACT_BITS + lookup + (windows.copies - 1).bit_length() + 1 + 2 * windows.emptied
    channel = (
        plan.stage.add_bits
        + SHIFT_BITS
        + MUL_BITS * plan.stage.layer.multiplier
        + (plan.stage.channels - 1).bit_length()
        + 5
    )
    return plan.folding.streams * step + channel


def _tile(plan: GatherPlan, prices: Prices) -> Resources:
    windows, stage, streams = Windows(plan), plan.stage, plan.folding.streams
    positions, phases, bits = stage.positions, plan.phases, windows.sum_bits
    lut = prices.shared_ram(windows.depth, ACT_BITS, streams * phases)
    lut += streams * positions * ACT_BITS * prices.multiplexer(phases)
    lut += windows.emptied * streams * positions * prices.adder(bits)
    lut += positions * bits * prices.multiplexer(streams)
    lut += 1.5 * prices.combination(pool_luts(stage))
    ff = _control_bits(plan) + ACT_BITS * phases + 10
    ff += windows.emptied * streams * positions * bits
    ff += positions * bits + pool_bits(stage)
    sums = prices.window_sums(*stage.pool_window) * streams
    tail = prices.requantise(stage.pooled_bits, stage.add_bits, multiplier=stage.layer.multiplier)
    return Resources(lut=lut, ff=ff) + sums + tail + prices.insertion_list(stage.channels, stage.k)


def _stage(plan: GatherPlan, folding: Folding, prices: Prices) -> Resources:
    stage, streams = plan.stage, plan.folding.streams
    planes, height, width = stage.in_shape
    beat = folding.input_bytes
    banks, parts = max(1, beat // width), max(1, width // beat)
    lines = -(-planes * height // banks)
    images = 2
    frame = banks * parts * prices.lut_ram(images * lines, ACT_BITS * min(beat, width))
    frame *= plan.row_phases
    taps = prices.tap_table(plan.steps, ACT_BITS + (stage.inputs - 1).bit_length()) * streams
    constants = prices.tap_table(stage.channels, stage.add_bits)
    pixels = ACT_BITS * width * plan.row_phases
    lut = CONTROL_LUTS + frame + pixels * (prices.multiplexer(banks) + 1)
    ff = CONTROL_FFS + 2 * pixels + (1 + plan.folding.rows) * _control_bits(plan)
    windows = Windows(plan)
    steps = prices.step_tables(
        plan.steps,
        streams,
        flags=2 + 2 * windows.emptied,
        taps=stage.inputs,
        lookup_bits=Shape.cast(windows.lookup_layout).width,
    )
    return Resources(lut=lut, ff=ff) + taps + constants + steps
