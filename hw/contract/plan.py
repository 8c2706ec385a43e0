"""Layers with their foldings, and everything that follows from the two: groups, passes, cycles."""

from dataclasses import dataclass
from functools import cached_property

from twofold.hw.contract.network import Conv2d, Stage, Taps

DSP_SUM_BITS = 30
"""Widest accumulator that fits into the register of a multiplier beside another one."""


@dataclass(frozen=True, kw_only=True)
class GatherFolding:
    """Folding of a gather layer.

    Parameters
    ----------
    rows, cols: tiles built, dividing the rows and columns of the pooled output.
    streams: kernels computed at a time, at most all; where they do not divide the number of
        kernels, the last group has fewer.
    """

    rows: int = 1
    cols: int = 1
    streams: int = 1


@dataclass(frozen=True, kw_only=True)
class ScatterFolding:
    """Folding of a scatter layer.

    Parameters
    ----------
    rows, cols: tiles built, dividing the rows and columns of the pooled output (1 and 1 for a
        linear layer).
    engines: per position, sharing out the taps; for a linear layer behind global winners, winners
        taken a cycle.
    lanes: sets an engine serves at a time, dividing the number of sets.
    drain: channels leaving a tile a cycle, dividing the lanes; 1 for a convolution.
    """

    rows: int = 1
    cols: int = 1
    engines: int = 1
    lanes: int = 1
    drain: int = 1


LayerFolding = GatherFolding | ScatterFolding


@dataclass(frozen=True)
class GatherPlan:
    """A gather layer with its folding, and everything that follows from the two.

    Attributes
    ----------
    stage, folding: what it was made from.
    groups: for each group of ``streams`` neighbouring kernels (the last may have fewer), the steps
        it takes: the longest tap list in the group, and at least ``streams`` so that results leave
        one a cycle.
    fill: pixel that stands in the padding.
    """

    stage: Stage
    folding: GatherFolding
    fill: int = 0

    @property
    def counts(self) -> tuple[int, ...]:
        """Taps of every kernel, each a position in the window and a channel of the image."""
        match self.stage.layer.sparsity:
            case Taps(counts):
                return counts
            case _:
                return (self.stage.fan_in,) * self.stage.channels

    @cached_property
    def groups(self) -> tuple[int, ...]:
        streams, counts = self.folding.streams, self.counts
        return tuple(
            max(streams, *counts[at : at + streams]) for at in range(0, len(counts), streams)
        )

    @property
    def passes(self) -> int:
        """Blocks of tiles in a sample, row by row."""
        return _passes(self.stage, self.folding)

    @property
    def steps(self) -> int:
        """Cycles of multiplication in a pass."""
        return sum(self.groups)

    @property
    def weight_rows(self) -> int:
        """Depth of the tap table."""
        return self.steps

    @property
    def channel_rows(self) -> int:
        """Depth of the tables of constants."""
        return self.stage.channels

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of the input window of a tile."""
        span = (self.stage.pool - 1) * self.stage.stride
        return self.stage.kernel[0] + span, self.stage.kernel[1] + span

    @property
    def phases(self) -> int:
        """Window rows and columns loaded a cycle, and memories a window is split into by each."""
        return self.stage.pool * self.stage.stride

    @property
    def planes(self) -> int:
        """Channels of the image, which arrive and are loaded one after the other."""
        return self.stage.in_shape[0]

    @property
    def load_groups(self) -> int:
        """Groups of ``phases`` rows of a channel of the image that the tiles of a pass look at."""
        return self.folding.rows - 1 + -(-self.window[0] // self.phases)

    @property
    def load_steps(self) -> int:
        """Cycles it takes to load the windows of a pass, one group of rows after another."""
        return self.planes * self.load_groups * -(-self.window[1] // self.phases)

    @property
    def interval(self) -> int:
        """Cycles from pass to pass: the longest of steps, loading and emission."""
        return max(self.steps, self.load_steps, self.stage.k)

    @property
    def cycles(self) -> int:
        """Cycles a sample."""
        return self.passes * self.interval


@dataclass(frozen=True)
class ScatterPlan:
    """A scatter layer with its folding, and everything that follows from the two.

    Attributes
    ----------
    stage, folding: what it was made from.
    source: the plan of the layer before.
    emit: global winners leaving the layer a cycle: as many as the next layer takes.
    """

    stage: Stage
    folding: ScatterFolding
    source: "Plan"
    emit: int = 1

    @property
    def streamed(self) -> bool:
        """Whether winners come straight out of global winners, instead of from lists per pixel."""
        return not isinstance(self.source.stage.layer, Conv2d)

    @property
    def shares_rows(self) -> bool:
        """Whether all positions look at the same weight row at the same time, and so share its
        memory: no activation is left out, so every list has all channels in order.
        """
        return not self.streamed and self.stage.in_k == self.stage.in_shape[0]

    @property
    def sums_in_dsp(self) -> bool:
        """Whether a lane adds up one kernel at a time, and so in the register of its multiplier:
        the weights are dense, and rows are shared. Then rounds follow each other, each over all
        activations; otherwise they change with every step.
        """
        small = self.stage.acc_bits <= DSP_SUM_BITS
        return self.shares_rows and self.stage.slots == 1 and small

    @property
    def passes(self) -> int:
        """Blocks of tiles in a sample, row by row."""
        return _passes(self.stage, self.folding)

    @property
    def rounds(self) -> int:
        """Times an engine looks at each winner, once for every group of ``lanes`` sets."""
        return self.stage.sets // self.folding.lanes

    @property
    def runs(self) -> int:
        """Walks over the activations in a sample, each followed by a drain of its accumulators."""
        return self.passes * (self.rounds if self.sums_in_dsp else 1)

    @property
    def engine_taps(self) -> int:
        """Taps of the window that one engine walks."""
        return -(-self.stage.taps // self.folding.engines)

    @property
    def index_bits(self) -> int:
        """Bits of the channel in a row address (0 for a single channel)."""
        return (self.stage.in_shape[0] - 1).bit_length()

    @property
    def weight_rows(self) -> int:
        """Depth of the weight table: a row for each tap, channel and round."""
        return (self.stage.taps << self.index_bits) * self.rounds

    @property
    def channel_rows(self) -> int:
        """Depth of the tables of constants."""
        return self.drain_steps

    @property
    def winner_beats(self) -> int:
        """Cycles in which winners arrive: list entries of all taps, or the longest stream."""
        if isinstance(self.source, ScatterPlan) and self.streamed:
            return self.source.emission
        return self.engine_taps * self.stage.in_k

    @property
    def steps(self) -> int:
        """Cycles of multiplication in a pass."""
        return self.winner_beats * self.rounds

    @property
    def drain_steps(self) -> int:
        """Cycles in which a pass's results leave the accumulators."""
        return self.stage.slots * self.stage.sets // self.folding.drain

    @property
    def emission(self) -> int:
        """Cycles in which a pass's results leave, at most: list entries, or beats of winners.

        Global winners leave ``emit`` a cycle, row by row of ``drain`` candidates; a row costs at
        least one cycle.
        """
        if isinstance(self.stage.layer, Conv2d) or self.stage.last:
            return self.stage.k
        rows, row_beats = self.drain_steps, -(-self.folding.drain // self.emit)
        return min(-(-self.stage.k // self.emit) + rows, rows * row_beats)

    @property
    def run_steps(self) -> int:
        """Cycles of multiplication in a run."""
        return self.winner_beats if self.sums_in_dsp else self.steps

    @property
    def run_busy(self) -> int:
        """Cycles of a run up to its accumulators: the longer of steps and drain.

        Sums in multipliers are kept for their drain, which takes a cycle of hand-over.
        """
        if self.sums_in_dsp:
            return max(self.run_steps, self.folding.lanes // self.folding.drain + 1)
        return max(self.run_steps, self.drain_steps)

    @property
    def run_interval(self) -> int:
        """Cycles from run to run: the longest of steps, drain and emission."""
        shared = self.rounds if self.sums_in_dsp else 1
        return max(self.run_busy, -(-self.emission // shared))

    @property
    def interval(self) -> int:
        """Cycles from pass to pass."""
        return self.run_interval * (self.rounds if self.sums_in_dsp else 1)

    @property
    def cycles(self) -> int:
        """Cycles a sample."""
        return self.passes * self.interval


Plan = GatherPlan | ScatterPlan


def _passes(stage: Stage, folding: LayerFolding) -> int:
    return (stage.out_shape[1] // folding.rows) * (stage.out_shape[2] // folding.cols)
