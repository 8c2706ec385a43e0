"""What building blocks cost on a device family: the contract that each family's file fulfils."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from twofold.hw.boards.resources import Resources
from twofold.hw.contract.target import Target
from twofold.hw.primitives.memory import Style
from twofold.hw.primitives.rom import memory_bits


class Prices(ABC):
    """Prices of building blocks, in LUTs, flip-flops, memories and multipliers.

    Sizes are those of the blocks: depths in words, widths in bits, all >= 1. Block memories and
    multipliers are exact for what the primitives build on the target; LUTs and flip-flops are
    scaled by the factors of calibration (`twofold.hw.area.calibrate`).

    Attributes
    ----------
    TARGET: cells that the primitives become.
    """

    TARGET: ClassVar[Target]

    @abstractmethod
    def multiplexer(self, inputs: int) -> int:
        """LUTs of a one-bit multiplexer."""

    @abstractmethod
    def adder(self, bits: int) -> int:
        """LUTs of an adder, or of a comparison."""

    @abstractmethod
    def gated_adder(self, bits: int) -> int:
        """LUTs of an adder of which one operand may be cleared."""

    @abstractmethod
    def combination(self, luts: float) -> float:
        """LUTs of combining a pooling window, from `twofold.hw.engines.pooling.pool_luts`."""

    @abstractmethod
    def rom(self, values: Sequence[int], scale: int = 1) -> Resources:
        """A table of ``values`` times ``scale`` that is never written, behind its address (see
        `twofold.hw.primitives.rom`).
        """

    def block_rom(
        self, values: Sequence[int], shapes: Iterable[tuple[float, int, int]]
    ) -> Resources:
        """The same in block memories, with what selects one of several by the upper address bits.

        ``shapes``: 36 Kbit units, words and bits of the block memories to choose from.
        """
        bits = memory_bits(values)
        blocks, banks = min(
            (size * -(-len(values) // words) * -(-bits // wide), -(-len(values) // words))
            for size, words, wide in shapes
        )
        chosen = Resources(lut=bits * self.multiplexer(banks), ff=(banks - 1).bit_length())
        return chosen + Resources(bram36=blocks)

    @abstractmethod
    def lut_ram(self, depth: int, bits: int) -> int:
        """LUTs of a memory in LUTs, for each of its read ports."""

    @abstractmethod
    def shared_ram(self, depth: int, bits: int, reads: int) -> int:
        """LUTs of memories that are written together and read at ``reads`` addresses in total (see
        `twofold.hw.primitives.memory.SharedRam`).
        """

    @abstractmethod
    def block_rams(self, depth: int, bits: int, lanes: int, reads: int) -> float:
        """Block memories, in units of 36 Kbit, of ``lanes`` memories of one or two read ports."""

    @abstractmethod
    def table(self, depth: int, bits: int, lanes: int, reads: int, style: Style) -> Resources:
        """A `twofold.hw.primitives.memory.TableRam` of ``lanes`` parts of ``bits`` bits."""

    @abstractmethod
    def tap_table(self, depth: int, bits: int) -> Resources:
        """A table of a gather layer (see `twofold.hw.engines.gather.feed`)."""

    @abstractmethod
    def step_tables(
        self, steps: int, streams: int, *, flags: int, taps: int, lookup_bits: int
    ) -> Resources:
        """What a gather layer knows of its steps without being told: ``flags`` and the activity of
        each, and for each stream the place of each tap, of ``lookup_bits`` bits.
        """

    @abstractmethod
    def constants(self, depth: int, widths: tuple[int, ...], lanes: int) -> Resources:
        """Tables of requantisation constants of these widths, for ``lanes`` channels at a time (see
        `twofold.hw.engines.scatter.constants`).
        """

    @abstractmethod
    def wide_bank(self, depth: int, bits: int) -> Resources:
        """A block memory of winner lists (see `twofold.hw.engines.scatter.banks`)."""

    @abstractmethod
    def lane(self, depth: int, bits: int, *, rounded: bool) -> Resources:
        """Partial sums of a lane of a scatter engine, behind its multiplier.

        ``depth``: sums of a bank; ``bits``: of a sum; ``rounded``: whether their address depends on
        a round (see `twofold.hw.engines.scatter.accumulators`).
        """

    @abstractmethod
    def lanes_of_positions(
        self, depth: int, bits: int, positions: int, *, rounded: bool
    ) -> Resources:
        """The same lane of all positions, which look up the same row at the same time."""

    @abstractmethod
    def products(self, lanes: int) -> Resources:
        """Products of ``lanes`` weights with one activation (`twofold.hw.primitives.dsp`)."""

    @abstractmethod
    def row_address(self, bits: int) -> Resources:
        """Multiplying a row by the number of rounds, where that is no power of two."""

    @abstractmethod
    def slot_base(self, rounds: int, slots: int) -> Resources:
        """Multiplying the round by the slots of a set, once a tile."""

    @abstractmethod
    def window_sums(self, rows: int, columns: int) -> Resources:
        """Sums of products of one weight with a window of activations, of up to 4 products."""

    @abstractmethod
    def dense_lanes(self, lanes: int, excess: int, bits: int) -> Resources:
        """Sums of a dense engine, ``bits`` wide, with ``excess`` bits to count overflows."""

    @abstractmethod
    def requantise(self, acc_bits: int, add_bits: int, *, multiplier: bool) -> Resources:
        """Requantisation of one value per cycle (`twofold.hw.engines.requantise`)."""

    @abstractmethod
    def insertion_list(self, channels: int, k: int) -> Resources:
        """Selection of the winners of one pixel (`twofold.hw.engines.winners.local`)."""

    @abstractmethod
    def pop_count(self, width: int) -> Resources:
        """Population count of ``width`` bits (`twofold.hw.engines.winners.count`)."""
