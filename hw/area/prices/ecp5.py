"""Prices of building blocks on the ECP5, in what nextpnr counts as TRELLIS_COMB.

How many LUTs a cell becomes is said in `twofold.hw.area.cells.ecp5`; what the primitives make of
the target is said in `twofold.hw.primitives`.
"""

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_
from typing import ClassVar

from twofold.hw.area.cells.ecp5 import CHAIN_END, COMB
from twofold.hw.area.prices.base import Prices
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.arith import ACT_BITS, MUL_BITS, WEIGHT_BITS
from twofold.hw.contract.target import Target
from twofold.hw.engines.gather.feed import DISTRIBUTED_DEPTH as TAPS_DEPTH
from twofold.hw.engines.requantise import SHIFT_BITS
from twofold.hw.engines.scatter.constants import DISTRIBUTED_DEPTH
from twofold.hw.engines.winners.count import GROUP, LEVELS_A_STAGE, PopCount
from twofold.hw.primitives.dsp import SPACING
from twofold.hw.primitives.ecp5 import BLOCK_DEPTHS, BLOCK_WIDTHS, MULTIPLIER_BITS, block_rams
from twofold.hw.primitives.memory import Style
from twofold.hw.primitives.registered_ram import LUT_DEPTH
from twofold.hw.primitives.rom import in_memory

RAM_WORDS, RAM_BITS = 16, 4
"""Size of a memory in LUTs."""
SHAPES = tuple(zip(BLOCK_DEPTHS, BLOCK_WIDTHS, strict=True))
WIDE_SHAPE = 512, 36
"""Words and bits of a block memory with one write port and one read port, if Yosys maps to it."""
ROM_BITS = 2048
"""Bits for each block memory from which on Yosys prefers block memories for a table that is never
written: a bit in LUTs costs it a sixteenth, and a block memory 128 (`synth_ecp5`, measured).
"""
CHAIN_MIN = 5
"""Bits from which on an adder is a carry chain; shorter ones are LUTs."""
PRODUCT_BITS = ACT_BITS + WEIGHT_BITS


class Ecp5Prices(Prices):
    """LUTs of four inputs, block memories of 18 Kbit, and one product in a MULT18X18D."""

    TARGET: ClassVar[Target] = Target.ECP5

    def multiplexer(self, inputs: int) -> int:
        """Two LUTs take four inputs, as one does two."""
        luts = 0
        while inputs > 1:
            fours, rest = divmod(inputs, 4)
            luts += 2 * fours + -(-rest // 2) * (rest > 1) + (rest == 3)
            inputs = -(-inputs // 4)
        return luts

    def adder(self, bits: int) -> int:
        """Two bits are a cell of a carry chain."""
        if bits < CHAIN_MIN:
            return 2 * bits
        return COMB["CCU2C"] * -(-bits // 2) + 2 * CHAIN_END

    def gated_adder(self, bits: int) -> int:
        """The inputs of a carry cell are taken."""
        return self.adder(bits) + bits

    def combination(self, luts: float) -> float:
        """A comparison, and a multiplexer."""
        return 2 * luts

    def rom(self, values: Sequence[int], scale: int = 1) -> Resources:
        """Yosys leaves out bits that do not vary, and puts large tables into block memories."""
        scaled = [value * scale for value in values]
        if in_memory(values):
            return self.block_rom(scaled, [(0.5, *shape) for shape in SHAPES])
        varying = reduce(or_, scaled) & ~reduce(and_, scaled)
        return self._rom(len(values), varying.bit_count(), whole=True)

    def _rom(self, words: int, bits: int, *, whole: bool) -> Resources:
        """``whole``: whether Yosys fills it up to a power of two."""
        taken = 1 << (words - 1).bit_length() if whole else words
        blocks = self._blocks(taken, bits)
        if taken * bits > ROM_BITS * blocks:
            return Resources(bram36=blocks / 2)
        return Resources(lut=bits * -(-words // RAM_WORDS))

    @staticmethod
    def _blocks(words: int, bits: int) -> int:
        """Block memories, if Yosys maps to them."""
        shapes = (*SHAPES, WIDE_SHAPE)
        return min(-(-words // depth) * -(-bits // wide) for depth, wide in shapes)

    def lut_ram(self, depth: int, bits: int) -> int:
        """16 words of 4 bits are a cell; deeper ones have a multiplexer, and enables."""
        blocks = -(-depth // RAM_WORDS)
        cells = blocks * -(-bits // RAM_BITS)
        enables = blocks if blocks > 1 else 0
        return COMB["TRELLIS_DPR16X4"] * cells + bits * self.multiplexer(blocks) + enables

    def shared_ram(self, depth: int, bits: int, reads: int) -> int:
        """Each read port is a copy."""
        return reads * self.lut_ram(depth, bits)

    def block_rams(self, depth: int, bits: int, lanes: int, reads: int) -> float:
        """Lanes are written separately, so each has its own; the second read port is free."""
        count = block_rams(bits, depth, lanes)
        if count is None:  # left to Yosys
            count = lanes * min(-(-depth // words) * -(-bits // wide) for words, wide in SHAPES)
        return count / 2

    def table(self, depth: int, bits: int, lanes: int, reads: int, style: Style) -> Resources:
        """Block memories have their registers inside; those in LUTs are read at a register."""
        if style == "distributed":
            luts = lanes * reads * self.lut_ram(depth, bits)
            return Resources(lut=luts, ff=2 * lanes * reads * bits)
        return Resources(bram36=self.block_rams(depth, bits, lanes, reads))

    def tap_table(self, depth: int, bits: int) -> Resources:
        style: Style = "distributed" if depth <= TAPS_DEPTH else "block"
        return self.table(depth, bits, 1, 1, style)

    def step_tables(
        self, steps: int, streams: int, *, flags: int, taps: int, lookup_bits: int
    ) -> Resources:
        """Flags of many steps are in a block memory by its attribute, others where Yosys likes."""
        lookups = self._rom(taps, lookup_bits, whole=True) * streams
        found = self._rom(steps, streams, whole=False) + lookups
        if steps > TAPS_DEPTH:
            found += Resources(bram36=self._blocks(steps, flags) / 2)
        return found

    def constants(self, depth: int, widths: tuple[int, ...], lanes: int) -> Resources:
        style: Style = "distributed" if depth <= DISTRIBUTED_DEPTH else "block"
        return sum((self.table(depth, bits, lanes, 1, style) for bits in widths), Resources())

    def wide_bank(self, depth: int, bits: int) -> Resources:
        """What is written while it is read is delayed, so that the old word is found."""
        address = (depth - 1).bit_length()
        beside = Resources(lut=bits + 2 * address, ff=bits + address)
        return beside + Resources(bram36=self._blocks(depth, bits) / 2)

    def lane(self, depth: int, bits: int, *, rounded: bool) -> Resources:
        """`EarlyAccumulators`, or two registers."""
        adder = Resources(lut=self.adder(bits) + bits)
        if depth == 1:
            return adder + Resources(ff=2 * (bits + 1))
        address = (depth - 1).bit_length()
        bank = self._registered_ram(depth, bits + 1)
        bank += Resources(lut=2 * address, ff=address)
        chosen = Resources(lut=bits + address, ff=bits + 3 * address + 2)
        rounds = Resources(lut=rounded * self.adder(address))
        return adder + bank * 2 + chosen + rounds

    def lanes_of_positions(
        self, depth: int, bits: int, positions: int, *, rounded: bool
    ) -> Resources:
        return self.lane(depth, bits, rounded=rounded) * positions

    def _registered_ram(self, depth: int, bits: int) -> Resources:
        """A `twofold.hw.primitives.registered_ram.RegisteredRam`."""
        address = (depth - 1).bit_length()
        if depth <= LUT_DEPTH:
            return Resources(lut=self.lut_ram(depth, bits), ff=address)
        beside = Resources(lut=bits + address, ff=bits + 1)
        return beside + Resources(bram36=self.block_rams(depth, bits, 1, 1))

    def products(self, lanes: int) -> Resources:
        """Operands and products have a register each outside the multiplier."""
        values = ACT_BITS * -(-lanes // 2)
        return Resources(ff=values + lanes * (WEIGHT_BITS + PRODUCT_BITS), dsp=lanes)

    def row_address(self, bits: int) -> Resources:
        return Resources(dsp=1)

    def slot_base(self, rounds: int, slots: int) -> Resources:
        """Yosys takes a multiplier wherever both factors have two bits and neither is a shift."""
        return Resources(dsp=int(rounds > 2 and slots & (slots - 1) != 0))

    def window_sums(self, rows: int, columns: int) -> Resources:
        """A multiplier for each position, with an adder and a register behind it. Positions share
        the register in pairs, and Yosys keeps the half of one that has no partner.
        """
        each = Resources(lut=self.adder(SPACING) + SPACING, ff=SPACING, dsp=1)
        return each * (2 * rows * -(-columns // 2))

    def dense_lanes(self, lanes: int, excess: int, bits: int) -> Resources:
        """Both sums of a pair are one register with an adder, and so are those of a single lane."""
        both, pairs = SPACING + bits, -(-lanes // 2)
        luts = self.adder(both) + both + self.adder(SPACING) + self.adder(excess) + excess
        registers = ACT_BITS + 2 * WEIGHT_BITS + 2 * both + 2 * excess + 2
        return Resources(lut=luts, ff=registers, dsp=2) * pairs

    def requantise(self, acc_bits: int, add_bits: int, *, multiplier: bool) -> Resources:
        """An adder, a coarse and a fine shifter; wide products are sums of several."""
        narrow = max(acc_bits, add_bits)
        width = narrow + multiplier * MUL_BITS
        parts = -(-acc_bits // MULTIPLIER_BITS) * -(-MUL_BITS // MULTIPLIER_BITS)
        luts = self.adder(width) + 4 * narrow + 40
        product = Resources(
            lut=(parts - 1) * self.adder(acc_bits + MUL_BITS),
            ff=acc_bits + MUL_BITS + add_bits + SHIFT_BITS,
            dsp=parts,
        )
        return Resources(lut=luts, ff=width + 35) + product * multiplier

    def insertion_list(self, channels: int, k: int) -> Resources:
        """As measured: a bit of an entry is a multiplexer of four whose choice comes late."""
        entry = ACT_BITS + max(1, (channels - 1).bit_length())
        if k == channels:
            return Resources(ff=entry + 1)
        each = Resources(lut=6 * entry + self.adder(ACT_BITS) + 20, ff=entry + 1)
        return each * k

    def pop_count(self, width: int) -> Resources:
        terms, bits = -(-width // GROUP), 3
        found = Resources(lut=4 * bits * terms, ff=bits * terms)
        while terms > 1:
            parts = -(-terms // PopCount.FAN_IN)
            adders = (terms - parts) * self.adder(bits + 1)
            bits = min(bits + LEVELS_A_STAGE, width.bit_length())
            found += Resources(lut=adders, ff=parts * bits)
            terms = parts
        return found
