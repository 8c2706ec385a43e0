"""Scatter: a layer behind another one, computed by looking up each winner's row of weights."""

from dataclasses import dataclass, replace
from typing import ClassVar

from twofold.hw.contract.engines.base import LayerFolding, Plan, require
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.layers.sparsity import SLOTS_MAX
from twofold.hw.contract.network import Output, Stage

LANES_MAX = 1 << 16
DSP_SUM_BITS = 30
"""Widest accumulator that fits into a multiplier's register next to a second one."""


@dataclass(frozen=True, kw_only=True)
class ScatterFolding(LayerFolding):
    """Folding of a scatter layer; a linear layer has a single tile.

    Parameters
    ----------
    engines: engines per position, which share the taps; for a linear layer after global winners,
        winners taken per cycle.
    lanes: sets that an engine computes at a time; divides the number of sets.
    drain: channels leaving a tile per cycle; divides the lanes; 1 for a convolution.
    """

    engines: int = 1
    lanes: int = 1
    drain: int = 1

    @property
    def takes(self) -> int:
        return self.engines

    @property
    def multipliers(self) -> int:
        return self.tiles * self.engines * self.lanes

    def quickest(self, stage: Stage) -> "ScatterFolding":
        return self if stage.per_pixel else replace(self, drain=self.lanes)

    def plan(
        self,
        stage: Stage,
        source: Plan | None,
        *,
        zero_point: int = 0,
        emit: int = 1,
        other: Plan | None = None,
    ) -> "ScatterPlan":
        if source is None:
            raise FoldingError(
                f"{stage.name}: the first layer needs a gather folding (dense input)"
            )
        return ScatterPlan(stage, self, source, emit)

    def end(self, stage: Stage) -> tuple[int, ...]:
        return (self.rows, self.cols) if stage.per_pixel else (self.drain,)

    def text(self) -> str:
        return f"{self.rows}x{self.cols} {self.engines}x{self.lanes}>{self.drain}"


@dataclass(frozen=True)
class ScatterPlan(Plan):
    """A scatter layer with its folding, and everything that follows from the two.

    Attributes
    ----------
    source: plan of the previous layer.
    emit: global winners leaving the layer per cycle: as many as the next layer takes.
    """

    folding: ScatterFolding
    source: Plan
    emit: int = 1

    MORE: ClassVar[str] = "lanes"

    @property
    def emitted(self) -> int:
        return self.emit

    @property
    def drain(self) -> int:
        return self.folding.drain

    @property
    def streamed(self) -> bool:
        """Whether winners come straight from the global winners, not from lists per pixel."""
        return not self.source.stage.per_pixel

    @property
    def sides(self) -> tuple["ScatterPlan", ...]:
        """For each layer that it reads, the plan by which its pixels are looked up."""
        return (self,)

    @property
    def shares_rows(self) -> bool:
        """Whether all positions read the same weight row at the same time and so share its memory:
        no activation is dropped, so every list holds all channels in order.
        """
        return not self.streamed and self.stage.in_k == self.stage.in_shape[0]

    @property
    def sums_in_dsp(self) -> bool:
        """Whether a lane accumulates one kernel at a time, and so in its multiplier's register: the
        weights are dense, and rows are shared. Then the rounds run one after another, each over all
        activations; otherwise the round changes with every step.
        """
        small = self.stage.acc_bits <= DSP_SUM_BITS
        return self.shares_rows and self.stage.slots == 1 and small

    @property
    def rounds(self) -> int:
        """How often an engine reads each winner: once for every group of ``lanes`` sets."""
        return self.stage.sets // self.folding.lanes

    @property
    def runs(self) -> int:
        """Walks over the activations per sample, each followed by a drain of the accumulators."""
        return self.passes * (self.rounds if self.sums_in_dsp else 1)

    @property
    def engine_taps(self) -> int:
        """Taps of the window that one engine processes."""
        return -(-self.stage.taps // self.folding.engines)

    @property
    def indices(self) -> int:
        """Number of different indices of an entry: channels of the input."""
        return self.stage.in_shape[0]

    @property
    def walks_taps(self) -> bool:
        """Whether row addresses consist of tap and channel."""
        return not self.streamed

    @property
    def index_bits(self) -> int:
        """Width of the channel field in a row address (0 for a single channel)."""
        return (self.indices - 1).bit_length()

    @property
    def weight_lanes(self) -> int:
        return self.folding.lanes

    @property
    def weight_tag_bits(self) -> int:
        """Width of a kernel's number within its set."""
        return (self.stage.slots - 1).bit_length()

    @property
    def weight_rows(self) -> int:
        """Depth of the weight table: one row per tap, channel and round."""
        return (self.stage.taps << self.index_bits) * self.rounds

    @property
    def channel_rows(self) -> int:
        return self.drain_steps

    @property
    def winner_beats(self) -> int:
        """Cycles in which winners arrive: the list entries of all taps, or the longest stream."""
        return self.source.emission if self.streamed else self.engine_taps * self.stage.in_k

    @property
    def steps(self) -> int:
        return self.winner_beats * self.rounds

    @property
    def drain_steps(self) -> int:
        """Cycles in which a pass's results leave the accumulators."""
        return self.stage.slots * self.stage.sets // self.folding.drain

    @property
    def emission(self) -> int:
        """Most cycles in which a pass's results leave: list entries, or beats of winners.

        Global winners leave ``emit`` per cycle, row by row of ``drain`` candidates; a row takes at
        least one cycle.
        """
        if self.stage.output is not Output.WINNERS:
            return self.stage.k
        rows, row_beats = self.drain_steps, -(-self.folding.drain // self.emit)
        return min(-(-self.stage.k // self.emit) + rows, rows * row_beats)

    @property
    def run_steps(self) -> int:
        """Multiplication cycles per run."""
        return self.winner_beats if self.sums_in_dsp else self.steps

    @property
    def run_busy(self) -> int:
        """Cycles of a run up to its accumulators: the maximum of steps and drain.

        Sums held in the multipliers stay there until drained, which takes one extra cycle for the
        hand-over.
        """
        if self.sums_in_dsp:
            return max(self.run_steps, self.folding.lanes // self.folding.drain + 1)
        return max(self.run_steps, self.drain_steps)

    @property
    def run_interval(self) -> int:
        """Cycles from one run to the next: the maximum of steps, drain and emission."""
        shared = self.rounds if self.sums_in_dsp else 1
        return max(self.run_busy, -(-self.emission // shared))

    @property
    def interval(self) -> int:
        """Cycles from one pass to the next."""
        return self.run_interval * (self.rounds if self.sums_in_dsp else 1)

    @property
    def busy(self) -> int:
        return self.runs * self.run_busy

    @property
    def spans(self) -> tuple[range, ...]:
        """Taps of the window that each engine processes, omitting engines that would have none.

        After global winners every engine processes the single tap.
        """
        taps, share = self.stage.taps, self.engine_taps
        if self.streamed:
            return (range(taps),) * self.folding.engines
        return tuple(range(at, min(at + share, taps)) for at in range(0, taps, share))

    @property
    def lookups(self) -> int:
        """Readers of winners: the engines of all positions."""
        return self.folding.tiles * self.stage.positions * len(self.spans)

    @property
    def products_of_lookup(self) -> int:
        """One product per lane."""
        return self.folding.lanes

    @property
    def multipliers(self) -> int:
        folding = self.folding
        return folding.tiles * self.stage.positions * folding.engines * folding.lanes

    @property
    def products(self) -> int:
        _, rows, cols = self.stage.conv_shape
        return rows * cols * self.stage.taps * self.stage.in_k * self.stage.sets

    def check_engine(self) -> None:
        stage, folding, name = self.stage, self.folding, self.stage.name
        require(
            stage.layer.sparsity.IN_ROWS,
            f"{name}: the scatter engine takes complementary or dense weights, "
            f"not {stage.layer.sparsity}",
        )
        require(
            stage.sets % folding.lanes == 0,
            f"{name}: {folding.lanes} lanes do not divide {stage.sets} sets",
        )
        require(
            folding.lanes % folding.drain == 0,
            f"{name}: drain of {folding.drain} channels does not divide {folding.lanes} lanes",
        )
        require(
            stage.slots <= SLOTS_MAX,
            f"{name}: {stage.slots} kernels in a set, the packed format takes {SLOTS_MAX}",
        )
        require(
            folding.lanes <= LANES_MAX,
            f"{name}: {folding.lanes} lanes, the packed format takes {LANES_MAX}",
        )
        require(
            not stage.last or stage.channels % stage.sets == 0,
            f"{name}: {stage.sets} sets do not divide {stage.channels} logits",
        )
        require(
            not stage.per_pixel or folding.drain == 1,
            f"{name}: drain is {folding.drain}, a convolution drains 1 channel a cycle",
        )
        require(
            self.streamed or folding.engines <= stage.taps,
            f"{name}: {folding.engines} engines for {stage.taps} taps, at most one a tap",
        )
