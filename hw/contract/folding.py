"""Folding: how much of every layer is built in hardware, and what the layer then costs in cycles.

A layer is served by one of two engines.

*Gather* serves a convolution over a dense single-channel image. A tile computes one pooled pixel:
all positions of its pooling window at once, for ``streams`` kernels at a time, walking the kernels'
tap lists.

*Scatter* serves everything else. A tile computes one pooled pixel here too; each of its positions
has ``engines`` that share out the taps of the window, and each engine has ``lanes`` multipliers,
one per complementary set; when there are fewer lanes than sets an engine looks at every winner
several times. Results leave a tile ``drain`` channels a cycle.

All tiles of a layer work in lock-step; what does not fit into ``rows`` x ``cols`` tiles is done in
several passes. Cycle counts follow from shapes and folding alone, never from the data.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from hw.contract.errors import FoldingError
from hw.contract.network import Complementary, Conv2d, Dense, Network, Stage, Taps

STAGES_MAX = 1 << 8
LANES_MAX = 1 << 16
SLOTS_MAX = 1 << 8
TAPS_MAX = 1 << 16


@dataclass(frozen=True, kw_only=True)
class GatherFolding:
    """Folding of a gather layer.

    Parameters
    ----------
    rows, cols: tiles built, dividing the rows and columns of the pooled output.
    streams: kernels computed at a time, dividing the number of kernels.
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
class Folding:
    """Folding of a whole network.

    Parameters
    ----------
    layers: one entry a layer, in order.
    input_bytes: bytes of the image taken a cycle; divides the bytes of a row, or is a multiple of
        them.
    frames: activations buffered between two layers, in words, >= 2.
    """

    layers: tuple[LayerFolding, ...]
    input_bytes: int = 64
    frames: int = 2

    def to_json(self) -> dict[str, Any]:
        """Plain, ordered representation; `folding_from_json` reads it back."""
        layers = [{"kind": type(layer).__name__, **asdict(layer)} for layer in self.layers]
        return {"layers": layers, "input_bytes": self.input_bytes, "frames": self.frames}


_KINDS: dict[str, type[LayerFolding]] = {
    kind.__name__: kind for kind in (GatherFolding, ScatterFolding)
}


def folding_from_json(tree: Any) -> Folding:
    """Read back what `Folding.to_json` wrote; the source is untrusted.

    Raises FoldingError when a field is missing, unknown or not an integer.
    """
    try:
        fields = {"input_bytes": tree["input_bytes"], "frames": tree["frames"]}
        layers = [dict(layer) for layer in tree["layers"]]
        kinds = [_KINDS[layer.pop("kind")] for layer in layers]
        if not all(type(value) is int for part in (fields, *layers) for value in part.values()):
            raise TypeError("sizes are integers")
        chosen = tuple(kind(**layer) for kind, layer in zip(kinds, layers, strict=True))
        return Folding(chosen, **fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FoldingError(f"folding: {type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class GatherPlan:
    """A gather layer with its folding, and everything that follows from the two.

    Attributes
    ----------
    stage, folding: what it was made from.
    groups: for each group of ``streams`` neighbouring kernels, the steps it takes: the longest tap
        list in the group, and at least ``streams`` so that results leave one a cycle.
    """

    stage: Stage
    folding: GatherFolding

    @property
    def counts(self) -> tuple[int, ...]:
        """Taps of every kernel."""
        match self.stage.layer.sparsity:
            case Taps(counts):
                return counts
            case _:
                return (self.stage.taps,) * self.stage.channels

    @cached_property
    def groups(self) -> tuple[int, ...]:
        streams, counts = self.folding.streams, self.counts
        return tuple(
            max(streams, *counts[at : at + streams]) for at in range(0, len(counts), streams)
        )

    @property
    def passes(self) -> int:
        """Blocks of tiles in a word, row by row."""
        return _passes(self.stage, self.folding)

    @property
    def steps(self) -> int:
        """Cycles of multiplication in a pass; also the depth of the tap table."""
        return sum(self.groups)

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of the input window of a tile."""
        span = (self.stage.pool - 1) * self.stage.stride
        return self.stage.kernel[0] + span, self.stage.kernel[1] + span

    @property
    def phases(self) -> int:
        """Window columns loaded a cycle, and memories a window is split into by column."""
        return self.stage.pool * self.stage.stride

    @property
    def load_rows(self) -> int:
        """Image rows that the tiles of a pass look at."""
        return (self.folding.rows - 1) * self.stage.pool * self.stage.stride + self.window[0]

    @property
    def load_steps(self) -> int:
        """Cycles it takes to load the windows of a pass, one image row after another."""
        return self.load_rows * -(-self.window[1] // self.phases)

    @property
    def interval(self) -> int:
        """Cycles from pass to pass: the longest of steps, loading and emission."""
        return max(self.steps, self.load_steps, self.stage.k)

    @property
    def cycles(self) -> int:
        """Cycles a word."""
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
    def passes(self) -> int:
        """Blocks of tiles in a word, row by row."""
        return _passes(self.stage, self.folding)

    @property
    def rounds(self) -> int:
        """Times an engine looks at each winner, once for every group of ``lanes`` sets."""
        return self.stage.sets // self.folding.lanes

    @property
    def engine_taps(self) -> int:
        """Taps of the window that one engine walks."""
        return -(-self.stage.taps // self.folding.engines)

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
    def interval(self) -> int:
        """Cycles from pass to pass: the longest of steps, drain and emission."""
        return max(self.steps, self.drain_steps, self.emission)

    @property
    def cycles(self) -> int:
        """Cycles a word."""
        return self.passes * self.interval


Plan = GatherPlan | ScatterPlan


def _passes(stage: Stage, folding: LayerFolding) -> int:
    return (stage.out_shape[1] // folding.rows) * (stage.out_shape[2] // folding.cols)


def plans(network: Network, folding: Folding) -> tuple[Plan, ...]:
    """Plan of every layer.

    Raises FoldingError when the folding does not divide the network or an engine cannot serve a
    layer; the message names the layer, the value and the rule.
    """
    stages = network.stages
    _require(
        len(folding.layers) == len(stages),
        f"folding: {len(folding.layers)} layers for a network of {len(stages)}",
    )
    _require(
        len(stages) <= STAGES_MAX,
        f"network: {len(stages)} layers, the packed format takes {STAGES_MAX}",
    )
    _require(folding.frames >= 2, f"folding: frames is {folding.frames}, needs >= 2")
    row_bytes = network.input_shape[2]
    _require(
        folding.input_bytes >= 1
        and (folding.input_bytes % row_bytes == 0 or row_bytes % folding.input_bytes == 0),
        f"folding: input_bytes is {folding.input_bytes}, needs a divisor or multiple of "
        f"{row_bytes} (an image row)",
    )
    return tuple(_plans(stages, folding))


def _plans(stages: tuple[Stage, ...], folding: Folding) -> Iterator[Plan]:
    source: Plan | None = None
    for index, (stage, layer) in enumerate(zip(stages, folding.layers, strict=True)):
        _require(
            stage.padding == 0, f"{stage.name}: padding is {stage.padding}, the engines take 0"
        )
        _check_blocks(stage, layer)
        if isinstance(layer, GatherFolding):
            plan: Plan = GatherPlan(stage, layer)
            _check_gather(plan)
        else:
            if source is None:
                raise FoldingError(
                    f"{stage.name}: the first layer needs a gather folding (dense input)"
                )
            following = folding.layers[index + 1] if index + 1 < len(stages) else None
            emit = following.engines if isinstance(following, ScatterFolding) else 1
            plan = ScatterPlan(stage, layer, source, emit)
            _check_scatter(plan)
        yield plan
        source = plan


def _check_blocks(stage: Stage, layer: LayerFolding) -> None:
    smallest = min(value for value in asdict(layer).values())
    _require(smallest >= 1, f"{stage.name}: folding {layer} has a value below 1")
    _, rows, cols = stage.out_shape
    _require(
        rows % layer.rows == 0,
        f"{stage.name}: {layer.rows} tile rows do not divide {rows} output rows",
    )
    _require(
        cols % layer.cols == 0,
        f"{stage.name}: {layer.cols} tile columns do not divide {cols} output columns",
    )


def _check_gather(plan: GatherPlan) -> None:
    stage, folding = plan.stage, plan.folding
    _require(
        stage.index == 0 and stage.in_shape[0] == 1 and isinstance(stage.layer, Conv2d),
        f"{stage.name}: the gather engine serves a first convolution over one channel",
    )
    _require(
        isinstance(stage.layer.sparsity, Taps | Dense),
        f"{stage.name}: the gather engine takes taps or dense weights, not {stage.layer.sparsity}",
    )
    _require(
        stage.channels % folding.streams == 0,
        f"{stage.name}: {folding.streams} streams do not divide {stage.channels} kernels",
    )
    _require(
        stage.taps <= TAPS_MAX,
        f"{stage.name}: {stage.taps} taps in a window, the packed format takes {TAPS_MAX}",
    )


def _check_scatter(plan: ScatterPlan) -> None:
    stage, folding = plan.stage, plan.folding
    _require(
        isinstance(stage.layer.sparsity, Complementary | Dense),
        f"{stage.name}: the scatter engine takes complementary or dense weights, "
        f"not {stage.layer.sparsity}",
    )
    _require(
        stage.sets % folding.lanes == 0,
        f"{stage.name}: {folding.lanes} lanes do not divide {stage.sets} sets",
    )
    _require(
        folding.lanes % folding.drain == 0,
        f"{stage.name}: drain of {folding.drain} channels does not divide {folding.lanes} lanes",
    )
    _require(
        stage.slots <= SLOTS_MAX,
        f"{stage.name}: {stage.slots} kernels in a set, the packed format takes {SLOTS_MAX}",
    )
    _require(
        folding.lanes <= LANES_MAX,
        f"{stage.name}: {folding.lanes} lanes, the packed format takes {LANES_MAX}",
    )
    _require(
        not stage.last or stage.channels % stage.sets == 0,
        f"{stage.name}: {stage.sets} sets do not divide {stage.channels} logits",
    )
    if isinstance(stage.layer, Conv2d):
        _require(
            folding.drain == 1,
            f"{stage.name}: drain is {folding.drain}, a convolution drains 1 channel a cycle",
        )
    if not plan.streamed:
        _require(
            folding.engines <= stage.taps,
            f"{stage.name}: {folding.engines} engines for {stage.taps} taps, at most one a tap",
        )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise FoldingError(message)
