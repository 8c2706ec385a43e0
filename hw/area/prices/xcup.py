"""Prices of building blocks on UltraScale+."""

from collections.abc import Sequence
from typing import ClassVar

from twofold.hw.area.prices.base import Prices
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.contract.target import Target
from twofold.hw.engines.scatter.constants import DISTRIBUTED_DEPTH
from twofold.hw.engines.winners.count import GROUP, LEVELS_A_STAGE, PopCount
from twofold.hw.primitives.dsp import SPACING
from twofold.hw.primitives.memory import SHARED_DEPTH, URAM_DEPTH, Style
from twofold.hw.primitives.rom import in_memory
from twofold.hw.primitives.update_ram import UPDATE_DEPTH, update_cells

RAMB36_SHAPES = ((1024, 36), (2048, 18), (4096, 9), (8192, 4), (16384, 2), (32768, 1))
RAMB18_SHAPES = ((1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Depth and width of a block memory with two independent ports."""
SIMPLE_SHAPE = 512, 72
"""The same for one write port and one read port."""
URAM_BYTES = 9


class XcupPrices(Prices):
    """LUTs of six inputs, block RAMs of 36 Kbit, UltraRAMs, and two products in a DSP48E2."""

    TARGET: ClassVar[Target] = Target.XCUP

    def multiplexer(self, inputs: int) -> int:
        """Each LUT takes four inputs."""
        luts = 0
        while inputs > 1:
            inputs = -(-inputs // 4)
            luts += inputs
        return luts

    def adder(self, bits: int) -> int:
        return bits

    def gated_adder(self, bits: int) -> int:
        return bits

    def combination(self, luts: float) -> float:
        return luts

    def rom(self, values: Sequence[int], scale: int = 1) -> Resources:
        if in_memory(values):
            return self.block_rom([value * scale for value in values], _port_shapes())
        return Resources(lut=max(values).bit_length() * self.multiplexer(-(-len(values) // 16)))

    def lut_ram(self, depth: int, bits: int) -> int:
        """Eight LUTs give 32 x 14 or 64 x 7 bits.

        Deeper memories use as many of those as needed, with a multiplexer after them.
        """
        if depth <= 32:
            return min(8 * -(-bits // 14), 2 * bits)
        blocks = -(-depth // 64)
        return blocks * min(8 * -(-bits // 7), 2 * bits) + bits * self.multiplexer(blocks)

    def shared_ram(self, depth: int, bits: int, reads: int) -> int:
        """Up to a depth of 32, eight LUTs give two bits to each of seven addresses."""
        if depth > SHARED_DEPTH:
            return reads * self.lut_ram(depth, bits)
        return 8 * -(-(reads * -(-bits // 2)) // 7)

    def update_ram(self, depth: int, bits: int) -> int:
        """LUTs of a memory that is read at its write address (see
        `twofold.hw.primitives.update_ram.UpdateRam`).
        """
        if depth > UPDATE_DEPTH:
            return self.lut_ram(depth, bits)
        return sum(len(cell.ports) for cell in update_cells(bits))

    def block_rams(self, depth: int, bits: int, lanes: int, reads: int) -> float:
        """With a single read port lanes may share a block RAM; with two, every lane has its own."""
        shapes = _port_shapes()
        if reads == 1:
            shapes.append((1.0, *SIMPLE_SHAPE))
        shared = min(
            size * -(-depth // rows) * -(-(lanes * bits) // wide) for size, rows, wide in shapes
        )
        alone = min(size * -(-depth // rows) * -(-bits // wide) for size, rows, wide in shapes)
        return shared if lanes == 1 or reads == 1 else lanes * alone

    def ultra_rams(self, depth: int, bits: int, lanes: int) -> int:
        """URAMs of a memory whose lanes occupy separate bytes."""
        lanes_each = max(1, URAM_BYTES // -(-bits // 8))
        return -(-depth // URAM_DEPTH) * -(-lanes // lanes_each)

    def table(self, depth: int, bits: int, lanes: int, reads: int, style: Style) -> Resources:
        """The estimate does not merge output registers into block RAMs."""
        if style == "ultra":
            return Resources(uram=self.ultra_rams(depth, bits, lanes))
        registers = Resources(ff=reads * bits * lanes)
        if style == "block":
            return registers + Resources(bram36=self.block_rams(depth, bits, lanes, reads))
        return registers + Resources(lut=lanes * reads * self.lut_ram(depth, bits))

    def tap_table(self, depth: int, bits: int) -> Resources:
        return Resources(lut=self.lut_ram(depth, bits))

    def step_tables(
        self, steps: int, streams: int, *, flags: int, taps: int, lookup_bits: int
    ) -> Resources:
        """A part of the constant that control takes."""
        return Resources()

    def constants(self, depth: int, widths: tuple[int, ...], lanes: int) -> Resources:
        bits = sum(widths)
        if depth <= DISTRIBUTED_DEPTH:
            return Resources(lut=lanes * self.lut_ram(depth, bits), ff=lanes * bits)
        return Resources(bram36=self.block_rams(depth, bits, lanes, 1))

    def wide_bank(self, depth: int, bits: int) -> Resources:
        return Resources(bram36=self.block_rams(depth, bits, 1, 1))

    def lane(self, depth: int, bits: int, *, rounded: bool) -> Resources:
        if depth == 1:
            return Resources(lut=2 * bits, ff=2 * (bits + 1))
        address = (depth - 1).bit_length()
        luts = self._sums(depth, bits) + (3 + rounded) * address
        return Resources(lut=luts, ff=3 * address)

    def lanes_of_positions(
        self, depth: int, bits: int, positions: int, *, rounded: bool
    ) -> Resources:
        """Positions share the address registers too."""
        address = (depth - 1).bit_length()
        shared = Resources(lut=(2 + rounded) * address, ff=5 * address)
        if depth == 1:
            return self.lane(depth, bits, rounded=rounded) * positions + shared
        return Resources(lut=self._sums(depth, bits)) * positions + shared

    def _sums(self, depth: int, bits: int) -> int:
        """LUTs of two banks, with a flag for each sum, and of their adder."""
        return 2 * self.update_ram(depth, bits + 1) + bits

    def products(self, lanes: int) -> Resources:
        return Resources(dsp=-(-lanes // 2))

    def row_address(self, bits: int) -> Resources:
        return Resources(dsp=1)

    def slot_base(self, rounds: int, slots: int) -> Resources:
        """A few LUTs, which the factors cover."""
        return Resources()

    def window_sums(self, rows: int, columns: int) -> Resources:
        return Resources(dsp=rows * -(-columns // 2))

    def dense_lanes(self, lanes: int, excess: int, bits: int) -> Resources:
        pair = Resources(lut=excess + 1, ff=1 + 2 * excess + SPACING + bits, dsp=1)
        return pair * -(-lanes // 2)

    def requantise(self, acc_bits: int, add_bits: int, *, multiplier: bool) -> Resources:
        width = max(acc_bits, add_bits)
        return Resources(
            lut=width + 2.5 * width, ff=width + 35, dsp=multiplier * -(-acc_bits // 27)
        )

    def insertion_list(self, channels: int, k: int) -> Resources:
        entry = ACT_BITS + max(1, (channels - 1).bit_length())
        if k == channels:
            return Resources(ff=entry + 1)
        return Resources(lut=k * (entry + 10), ff=k * (entry + 1))

    def pop_count(self, width: int) -> Resources:
        terms, bits = -(-width // GROUP), 3
        found = Resources(lut=bits * terms, ff=bits * terms)
        while terms > 1:
            parts = -(-terms // PopCount.FAN_IN)
            adders = (terms - parts) * (bits + 1)
            bits = min(bits + LEVELS_A_STAGE, width.bit_length())
            found += Resources(lut=adders, ff=parts * bits)
            terms = parts
        return found


def _port_shapes() -> list[tuple[float, int, int]]:
    """Size in 36 Kbit, words and bits of block memories with independent ports."""
    whole = [(1.0, *shape) for shape in RAMB36_SHAPES]
    return whole + [(0.5, *shape) for shape in RAMB18_SHAPES]
