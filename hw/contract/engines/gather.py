"""Gather: a convolution over a dense image, by walking the tap list of each kernel."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from twofold.hw.contract.engines.base import LayerFolding, Plan, require
from twofold.hw.contract.network import Stage

TAPS_MAX = 1 << 16


@dataclass(frozen=True, kw_only=True)
class GatherFolding(LayerFolding):
    """Folding of a gather layer.

    Parameters
    ----------
    streams: kernels computed at a time, at most the number of kernels; if they do not divide it,
        the last group has fewer.
    """

    streams: int = 1

    @property
    def multipliers(self) -> int:
        return self.tiles * self.streams

    def plan(
        self,
        stage: Stage,
        source: Plan | None,
        *,
        zero_point: int = 0,
        emit: int = 1,
        other: Plan | None = None,
    ) -> "GatherPlan":
        return GatherPlan(stage, self, stage.zero if stage.padding else 0)

    def text(self) -> str:
        return f"{self.rows}x{self.cols} {self.streams}s"


@dataclass(frozen=True)
class GatherPlan(Plan):
    """A gather layer with its folding, and everything that follows from the two.

    Attributes
    ----------
    groups: steps of each group of ``streams`` neighbouring kernels (the last may have fewer): the
        longest tap list in the group, and at least ``streams`` so that results leave one per cycle.
    fill: pixel value used for padding.
    """

    folding: GatherFolding
    fill: int = 0

    MORE: ClassVar[str] = "streams"

    @property
    def counts(self) -> tuple[int, ...]:
        """Taps of every kernel; a tap is a position in the window and a channel of the image."""
        return self.stage.fan_ins

    @cached_property
    def groups(self) -> tuple[int, ...]:
        streams, counts = self.folding.streams, self.counts
        return tuple(
            max(streams, *counts[at : at + streams]) for at in range(0, len(counts), streams)
        )

    @property
    def steps(self) -> int:
        return sum(self.groups)

    @property
    def weight_lanes(self) -> int:
        return self.folding.streams

    @property
    def weight_rows(self) -> int:
        return self.steps

    @property
    def weight_tag_bits(self) -> int:
        """Width of a tap number."""
        return max(1, (self.stage.inputs - 1).bit_length())

    @property
    def channel_rows(self) -> int:
        return self.stage.channels

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of a tile's input window."""
        height, width = (
            side + (pool - 1) * stride
            for side, pool, stride in zip(
                self.stage.kernel, self.stage.pool_window, self.stage.strides, strict=True
            )
        )
        return height, width

    @property
    def row_phases(self) -> int:
        """Window rows loaded at a time, and memories that the rows are split across."""
        return self.stage.pool_window[0] * self.stage.strides[0]

    @property
    def col_phases(self) -> int:
        """Window columns loaded per cycle, and memories that the columns are split across."""
        return self.stage.pool_window[1] * self.stage.strides[1]

    @property
    def phases(self) -> int:
        """Memories that a window is split across."""
        return self.row_phases * self.col_phases

    @property
    def planes(self) -> int:
        """Channels of the image, which arrive and are loaded one after another."""
        return self.stage.in_shape[0]

    @property
    def load_groups(self) -> int:
        """Groups of ``row_phases`` rows of a channel that the tiles read in a pass."""
        return self.folding.rows - 1 + -(-self.window[0] // self.row_phases)

    @property
    def load_steps(self) -> int:
        """Cycles to load the windows of a pass, one group of rows after another."""
        return self.planes * self.load_groups * -(-self.window[1] // self.col_phases)

    @property
    def interval(self) -> int:
        """Cycles from one pass to the next: the maximum of steps, loading and emission."""
        return max(self.steps, self.load_steps, self.emission)

    @property
    def emission(self) -> int:
        return self.stage.k

    @property
    def lookups(self) -> int:
        """One lookup per stream."""
        return self.folding.streams

    @property
    def products_of_lookup(self) -> int:
        """Positions that use each stream's tap."""
        return self.folding.tiles * self.stage.positions

    @property
    def multipliers(self) -> int:
        return self.folding.tiles * self.stage.positions * self.folding.streams

    @property
    def products(self) -> int:
        _, rows, cols = self.stage.conv_shape
        return rows * cols * sum(self.counts)

    def check_engine(self) -> None:
        stage, folding = self.stage, self.folding
        require(
            stage.index == 0 and stage.per_pixel,
            f"{stage.name}: the gather engine serves a first convolution, over the image",
        )
        require(
            folding.streams <= stage.channels,
            f"{stage.name}: {folding.streams} streams for {stage.channels} kernels, "
            "at most one each",
        )
        require(
            stage.inputs <= TAPS_MAX,
            f"{stage.name}: {stage.inputs} taps in a window, the packed format takes {TAPS_MAX}",
        )
