"""The schedule of every sample: the machine's cycles, computed without simulating it.

Nothing inside a stage ever stalls, so a handful of events fully describe a sample: the beats that
arrive, the groups of rows that are loaded, the passes that start, the rows and beats of global
winners, the result. Each follows from earlier ones by adding delays fixed by shape and folding, and
by waiting for the latest of what it needs: input, room, or the stage itself. The rules here are
cycle-accurate; tests compare them with the RTL of random machines.

One thing depends on the data: the number of winners in each row of a linear layer (see
`RowCounts`). Without it a layer is assumed to have as many as it keeps, as early as possible, which
gives the minimum time for a sample with full beats.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import gcd

from twofold.hw.contract.folding import (
    Folding,
    GatherPlan,
    JoinPlan,
    Plan,
    ScatterPlan,
    VectorPlan,
    frames_of_readers,
    plans,
)
from twofold.hw.contract.network import Network, Output
from twofold.hw.contract.results import BEAT_COLUMNS, ResultRow, result_row
from twofold.hw.engines.gather.frame import FrameShape
from twofold.hw.engines.gather.loader import load_line
from twofold.hw.engines.gather.stage import images_kept
from twofold.hw.engines.gather.tile import TileTiming
from twofold.hw.engines.gather.window import Windows
from twofold.hw.engines.requantise import Requantise
from twofold.hw.engines.scatter.banks import PixelBanks
from twofold.hw.engines.scatter.tile import bank_delay, drain_latency
from twofold.hw.engines.winners import LocalWinners
from twofold.hw.engines.winners.emission import Emission
from twofold.hw.engines.winners.level import LevelSearch
from twofold.hw.engines.winners.select import Select
from twofold.hw.engines.winners.vector import GlobalWinners
from twofold.hw.machine.result import Result, WideResult, label_latency
from twofold.hw.primitives.memory import TableRam
from twofold.hw.primitives.queue import Queue

RowCounts = Sequence[int]
"""Number of winners above 0 in each row of ``drain`` units of a linear layer, for one sample."""


@dataclass(frozen=True)
class Span:
    """What a part of the machine does with a sample, with its first and last cycle."""

    name: str
    first: int
    last: int


@dataclass(frozen=True)
class SampleTimes:
    """Cycles of a sample: first beat accepted, result delivered, and the spans in between."""

    started: int
    finished: int
    spans: tuple[Span, ...]

    @property
    def latency(self) -> int:
        """Cycles from accepting the first beat to delivering the result."""
        return self.finished - self.started


def sample_times(
    network: Network,
    folding: Folding,
    samples: Sequence[Sequence[RowCounts]] | int = 1,
) -> list[SampleTimes]:
    """Times of back-to-back samples, starting with an idle machine.

    Parameters
    ----------
    samples: for each sample, the row counts of each linear layer but the last; or the number of
        samples, each with as many winners as possible.

    Raises FoldingError if the folding does not fit.
    """
    found = plans(network, folding)
    if isinstance(samples, int):
        samples = [[full_rows(plan) for plan in found if emits(plan)]] * samples
    pipeline = _Pipeline(network, found, folding)
    return [pipeline.sample(counts) for counts in samples]


def latency(network: Network, folding: Folding) -> int:
    """Latency of a sample through an idle machine, in cycles, with full beats of winners."""
    return sample_times(network, folding)[0].latency


def emits(plan: Plan) -> bool:
    """Whether a layer emits global winners."""
    return plan.stage.output is Output.WINNERS


def full_rows(plan: Plan) -> list[int]:
    """Row counts with all winners of a linear layer in its first rows."""
    drain, left, found = plan.drain, plan.stage.k, []
    for first in range(0, plan.stage.channels, drain):
        found.append(min(left, drain, plan.stage.channels - first))
        left -= found[-1]
    return found


class _Pipeline:
    """All parts, each with its state from previous samples."""

    def __init__(self, network: Network, found: Sequence[Plan], folding: Folding) -> None:
        self.network, row = network, result_row(network)
        self.stages: list[_Part] = []
        for plan in found:
            source = self.stages[-1] if self.stages else None
            part = _PARTS[type(plan), plan.stage.output]
            self.stages.append(part(plan, folding, source, row))
        self.rooms = [
            [
                _Room(self.stages[reader], frames)
                for reader, frames in zip(
                    network.readers[plan.stage.index],
                    frames_of_readers(network, folding, plan.stage),
                    strict=True,
                )
            ]
            for plan in found
        ]

    def sample(self, counts: Sequence[RowCounts]) -> SampleTimes:
        """Send one more sample through all stages."""
        spans: list[Span] = []
        rows = iter(counts)
        left: list[int] = []
        for stage, part, rooms in zip(self.network.stages, self.stages, self.rooms, strict=True):
            ready = max((left[source] for source in stage.sources if source >= 0), default=0)
            room = max((room.earliest() for room in rooms), default=0)
            left.append(part.sample(ready, room, rows, spans))
        return SampleTimes(spans[0].first, left[-1], tuple(spans))


def _earliest(released: Sequence[int], held: int, *, delay: int = 1) -> int:
    """First cycle with a credit for one more sample; each one before took one of ``held`` credits.

    ``released``: cycles in which samples returned their credit; it is available ``delay`` cycles
    later.
    """
    return released[-held] + delay if len(released) >= held else 0


@dataclass(frozen=True)
class _Room:
    """A reader of a layer, and the samples that it has room for."""

    reader: "_Part"
    frames: int

    def earliest(self) -> int:
        """First cycle in which it has room for the next sample."""
        return _earliest(self.reader.released, self.frames)


class _Part(ABC):
    """A stage with its state from previous samples.

    Attributes
    ----------
    released: cycles in which frames of the input, or samples, were released.
    given: cycles in which samples left, as winners or as a result.
    emission: the global winners after it, if it has any.
    """

    def __init__(self) -> None:
        self.released: list[int] = []
        self.given: list[int] = []
        self.emission: _Emission | None = None

    @abstractmethod
    def sample(self, ready: int, room: int, counts: Iterator[RowCounts], spans: list[Span]) -> int:
        """Process one more sample.

        Parameters
        ----------
        ready: cycle in which its input is complete.
        room: first cycle in which all layers behind it have room.
        counts: row counts of the linear layers that are still to come.
        spans: list that the spans are added to.

        Returns the cycle in which the sample leaves.
        """


class _Gather(_Part):
    """A gather layer: image buffer, loader, sequencer."""

    def __init__(self, plan: GatherPlan, folding: Folding, _: _Part | None, __: ResultRow) -> None:
        super().__init__()
        self.plan, self.windows = plan, Windows(plan)
        planes, height, width = plan.stage.in_shape
        self.frame = FrameShape(height=planes * height, width=width, beat=folding.input_bytes)
        self.images = images_kept(plan, self.frame.beats)
        self.input_free = self.loader_free = self.compute_free = 0
        self.copies: list[int] = []  # release cycles of window copies

    def sample(self, ready: int, room: int, counts: Iterator[RowCounts], spans: list[Span]) -> int:
        plan, name = self.plan, self.plan.stage.name
        first = max(self.input_free, _earliest(self.released, self.images))
        self.input_free = first + self.frame.beats
        spans.append(Span("input", first, self.input_free - 1))
        loads, starts = [], []
        for number in range(plan.passes):
            loads.append(self._load(number, first))
            start = max(self.loader_free + 1, self.compute_free)
            if number == 0:
                start = max(start, room)
            starts.append(start)
            self.compute_free = start + max(plan.steps, plan.stage.k)
            self.copies.append(start + plan.steps + plan.folding.streams - 1)
        self.released.append(self.loader_free)
        last_step = starts[-1] + plan.steps
        rest = (plan.stage.channels - 1) % plan.folding.streams
        # Tables, the last stream, the tile, and the row and tile registers.
        last = last_step + TableRam.LATENCY + 1 + rest + TileTiming(plan).channel + 2
        out = last + LocalWinners.latency_of(plan.stage.channels, plan.stage.k)
        spans.append(Span(f"{name} load", loads[0] + 1, self.loader_free))
        spans.append(Span(f"{name} compute", starts[0] + 1, last_step))
        spans.append(Span(f"{name} winners", last_step + 1, out))
        return out

    def _load(self, number: int, first: int) -> int:
        """Load a pass of a sample whose first beat came in cycle ``first``; returns its start."""
        plan, frame = self.plan, self.frame
        across = plan.stage.out_shape[2] // plan.folding.cols
        final = (plan.passes // across - 1) * plan.folding.rows + plan.load_groups - 1
        top = number // across * plan.folding.rows
        begun = None
        levels = range(top, top + plan.load_groups)
        for plane, level in product(range(plan.planes), levels):
            line = load_line(plan, frame, plane, level * plan.row_phases)
            if (plane, level) == (plan.planes - 1, final):
                line = frame.lines - 1
            start = max(self.loader_free, first + (line + 1) * frame.parts)
            if begun is None:
                start = begun = max(start, _earliest(self.copies, self.windows.copies))
            self.loader_free = start + self.windows.columns
        return begun or 0


class _Fields(_Part):
    """What both kinds of scatter layers share: passes into the accumulators, and their drain."""

    def __init__(self, plan: ScatterPlan) -> None:
        super().__init__()
        self.plan = plan
        self.free = 0
        self.rows = -(-plan.stage.channels // plan.folding.drain)

    def walk(self, start: int, spans: list[Span]) -> int:
        """Walk the lists of a sample accepted in cycle ``start``; returns its last step's cycle."""
        plan = self.plan
        self.free = start + plan.passes * plan.interval
        final = start + (plan.runs - 1) * plan.run_interval + plan.run_steps
        self.released.append(final + 2)
        spans.append(Span(f"{plan.stage.name} compute", start + 1, final))
        return final + PixelBanks.LATENCY - 1

    def drained(self, done: int, spans: list[Span]) -> int:
        """Cycle in which the last row is drained, if a run's last step was in cycle ``done``."""
        rows = self.rows // self.plan.rounds if self.plan.sums_in_dsp else self.rows
        last = done + bank_delay(self.plan) + 1 + rows
        spans.append(Span(f"{self.plan.stage.name} drain", last - rows + 1, last))
        return last


class _Scatter(_Fields):
    """A convolution after another one, or an addition."""

    def __init__(self, plan: ScatterPlan, _: Folding, __: _Part | None, ___: ResultRow) -> None:
        super().__init__(plan)

    def sample(self, ready: int, room: int, counts: Iterator[RowCounts], spans: list[Span]) -> int:
        start = max(ready + 1, self.free, room)
        drained = self.drained(self.walk(start, spans), spans)
        stage = self.plan.stage
        last = drained + drain_latency(self.plan) + Requantise.LATENCY + stage.layer.multiplier
        out = last + LocalWinners.latency_of(stage.channels, stage.k)
        spans.append(Span(f"{stage.name} winners", drained + 1, out))
        return out


class _Linear(_Fields):
    """A linear layer, with its global winners or the result."""

    def __init__(self, plan: ScatterPlan, _: Folding, source: _Part | None, row: ResultRow) -> None:
        super().__init__(plan)
        self.labelled, self.samples, self.wide = row.labelled, Result.SAMPLES, None
        if plan.stage.last and row.beats > 1:
            self.wide = _WideResult(row, plan.folding.drain)
            self.samples = WideResult.samples_of(row.outputs)
        self.source = source
        self.started = False
        self.taken = self.done = self.begun = -1
        self.emission = _Emission(plan) if emits(plan) else None
        self.result = -1

    def sample(self, ready: int, room: int, counts: Iterator[RowCounts], spans: list[Span]) -> int:
        done = self._computed(ready, counts, spans)
        last = self.drained(done, spans) + drain_latency(self.plan)
        if self.emission is not None:
            # Requantised, and registered before the search.
            row = last + Requantise.LATENCY + self.plan.stage.layer.multiplier + 1
            return row + self.emission.search
        if self.wide is not None:
            self.result = self.wide.sample(self._arrivals(last + 1), self.result)
        else:
            found = last + 1 + Result.latency_of(self.plan.folding.drain, labelled=self.labelled)
            self.result = max(found, self.result + 1)
        self.given.append(self.result + 1)
        spans.append(Span("result", last + 1, self.result))
        return self.result

    def _computed(self, ready: int, counts: Iterator[RowCounts], spans: list[Span]) -> int:
        """Cycle of a sample's last step."""
        if self.source is None or self.source.emission is None:
            return self.walk(max(ready + 1, self.free, self._room()), spans)
        self.started = False
        self.source.emission.sample(ready, next(counts), self)
        self.source.given = self.source.emission.released
        spans.append(Span(f"{self.source.emission.name} winners", ready + 1, self.begun - 1))
        spans.append(Span(f"{self.plan.stage.name} compute", self.begun, self.done))
        return self.done

    def _arrivals(self, last: int) -> list[int]:
        """Cycles in which a sample's rows reach the result, the last one in cycle ``last``."""
        plan, runs = self.plan, self.plan.rounds if self.plan.sums_in_dsp else 1
        rows = self.rows // runs
        ends = (last - run * plan.run_interval for run in reversed(range(runs)))
        return [end - row for end in ends for row in reversed(range(rows))]

    def take(self, visible: int, *, last: bool) -> int:
        """Cycle in which a beat of winners, visible from cycle ``visible`` on, has been taken."""
        start = max(visible, self.taken + 1)
        if not self.started:
            start = max(start, self._room())
            self.begun, self.started = start, True
        self.taken = start + self.plan.rounds - 1
        if last:
            self.taken = max(self.taken, self.done + self.plan.drain_steps)
            self.done = self.taken
        return self.taken

    def _room(self) -> int:
        samples = GlobalWinners.SAMPLES if self.emission is not None else self.samples
        return _earliest(self.given, samples)


class _Vector(_Linear):
    """A linear layer over the input: each beat is accepted as the one before it leaves."""

    def __init__(
        self, plan: VectorPlan, folding: Folding, source: _Part | None, row: ResultRow
    ) -> None:
        super().__init__(plan, folding, source, row)
        self.chunks = folding.input_bytes // plan.folding.engines
        self.input_free = 0

    def _computed(self, ready: int, counts: Iterator[RowCounts], spans: list[Span]) -> int:
        chunks, first, accepted = self.plan.winner_beats, self.input_free, 0
        self.started = False
        for at in range(0, chunks, self.chunks):
            accepted = taken = self.input_free
            for chunk in range(at, min(at + self.chunks, chunks)):
                taken = self.take(taken + 1, last=chunk == chunks - 1)
            self.input_free = taken
        spans.append(Span("input", first, accepted))
        spans.append(Span(f"{self.plan.stage.name} compute", self.begun, self.done))
        return self.done


class _WideResult:
    """A result of several beats: rows are queued, cut into pieces, and sent as beats."""

    def __init__(self, row: ResultRow, drain: int) -> None:
        self.row, self.drain = row, drain
        self.piece = gcd(drain, BEAT_COLUMNS)
        self.delay = 1 + WideResult.memory_of(row.outputs, drain)[0].LATENCY
        self.taken = -1  # last piece
        self.left = -1  # last beat with outputs
        self.sent = -1  # last beat

    def sample(self, arrivals: Sequence[int], before: int) -> int:
        """Cycle of a sample's last beat; its rows come in ``arrivals``, and the previous sample's
        last beat was in ``before``.
        """
        pieces, apart = self.drain // self.piece, -self.row.outputs % BEAT_COLUMNS == 0
        label = max(arrivals[-1] + label_latency(self.drain) + Queue.LATENCY, before + 1)
        done = 0
        for arrival in arrivals:
            seen = arrival + self.delay
            if pieces > 1:
                seen = max(seen, self.taken) + 1
            for _ in range(pieces):
                # A piece is taken no earlier than the previous beat leaves.
                self.taken = max(seen, self.taken + 1, self.left)
                done += self.piece
                if done % BEAT_COLUMNS and done != self.row.outputs:
                    continue
                waits = done == self.row.outputs and self.row.labelled and not apart
                self.left = max(self.taken + 1, self.sent + 1, label if waits else 0)
                self.sent = self.left
        if self.row.labelled and apart:
            self.sent = max(self.sent + 1, label)
        return self.sent


class _Emission:
    """Global winners of a layer after the search: rows read, marked and sent beat by beat."""

    def __init__(self, plan: ScatterPlan) -> None:
        channels, drain = plan.stage.channels, plan.folding.drain
        self.name, self.emit, self.rows = plan.stage.name, plan.emit, -(-channels // drain)
        level, self.select = LevelSearch.latency_of(drain), Select.latency_of(drain)
        searching = plan.stage.k < channels
        second = level + self.rows + TableRam.LATENCY + GlobalWinners.COMPARE + level
        self.search = (second if searching else 0) + Queue.LATENCY
        self.room = GlobalWinners.row_room(drain)
        self.read = -1
        self.left: list[int] = []  # rows
        self.sent: list[int] = []  # beats
        self.beat = -1
        self.released: list[int] = []

    def sample(self, ready: int, counts: RowCounts, sink: _Linear) -> None:
        """Send a sample whose threshold is known from cycle ``ready`` on to the next layer."""
        self.read = max(self.read + 1, ready) - 1
        for number, count in enumerate(counts):
            final = number == len(counts) - 1
            self.read = max(self.read + 1, _earliest(self.left, self.room, delay=2))
            marked = self.read + TableRam.LATENCY + self.select + Queue.LATENCY
            begun = max(marked, self.left[-1] + 1 if self.left else 0)
            if not count and not final:
                self.left.append(begun)
                continue
            beats = max(1, -(-count // self.emit))
            for at in range(beats):
                begun = max(begun, _earliest(self.sent, Emission.DEPTH, delay=2))
                visible = begun + Emission.LATENCY
                self.sent.append(sink.take(visible, last=final and at == beats - 1))
                begun += 1
            self.left.append(begun - 1)
        self.released.append(self.read + 1)


_PARTS: dict[tuple[type[Plan], Output], Callable[..., _Part]] = {
    (GatherPlan, Output.PIXELS): _Gather,
    (ScatterPlan, Output.PIXELS): _Scatter,
    (JoinPlan, Output.PIXELS): _Scatter,
    (ScatterPlan, Output.WINNERS): _Linear,
    (ScatterPlan, Output.LOGITS): _Linear,
    (VectorPlan, Output.WINNERS): _Vector,
    (VectorPlan, Output.LOGITS): _Vector,
}
"""Timing rules of a stage, by its plan class and the form of its output."""
