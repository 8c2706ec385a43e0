"""The folding solver.

Layers are chosen one after another. What a layer costs depends on its own folding, on the tiles or
the emission of the layer before it, and on the winners that the next layer takes per cycle. So
among all ways to fold the layers up to some point, those with the same end, as seen by later
layers (of all layers that they still read), compete, and only those that no other beats in every
resource are kept. The result is the smallest of all foldings that `twofold.hw.solve.promising`
proposes: all of them for a small layer, those with few multipliers for a large one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from twofold.hw.area.component import Component
from twofold.hw.area.link import link
from twofold.hw.area.model import back, calibrated, components, front, shared_components
from twofold.hw.boards import default
from twofold.hw.boards.board import Board
from twofold.hw.boards.resources import NAMES, Resources, share
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.folding import (
    Folding,
    LayerFolding,
    Plan,
    plan_behind,
    plans,
)
from twofold.hw.contract.network import Network, Stage
from twofold.hw.contract.parameters import check_image_fits
from twofold.hw.contract.regs import BEAT_BYTES, sample_bytes, sample_stride
from twofold.hw.solve.candidates import widest
from twofold.hw.solve.promising import EFFORTS, Effort, promising
from twofold.hw.solve.timeline import SampleTimes, sample_times

SETTLING = 12
"""Number of samples over which a machine's pace is measured, once it is full."""
FRAMES_MAX = 8


def cost(taken: Resources, board: Board | None = None) -> float:
    """Measure of area: sum of the shares used of what a unit may use in a region of the board."""
    return sum(share(taken, (board or default()).budget))


def fits(taken: Resources, budget: Resources) -> bool:
    """Whether no resource exceeds the budget."""
    return all(value <= most for value, most in zip(taken.values, budget.values, strict=True))


@dataclass(frozen=True)
class Solution:
    """A folding with everything that the model says about it.

    Attributes
    ----------
    network, folding: what is solved.
    board: board whose regions it is compared with.
    """

    network: Network
    folding: Folding
    board: Board = field(default_factory=default)

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        """Plan of every layer."""
        return plans(self.network, self.folding)

    @cached_property
    def components(self) -> list[Component]:
        """The components of the machine."""
        family = self.board.family
        around = link(self.network, self.folding, self.board)
        known = components(self.plans, self.folding, family)
        return [*known, *(calibrated(one, family) for one in around)]

    @property
    def resources(self) -> Resources:
        """What the machine uses."""
        return sum((one.total for one in self.components), Resources())

    @property
    def input_cycles(self) -> int:
        """Cycles in which a sample arrives."""
        return arrival(self.network, self.folding.input_bytes)

    @property
    def cycles(self) -> int:
        """Cycles per sample."""
        return max(self.input_cycles, *(plan.cycles for plan in self.plans))

    @cached_property
    def sample(self) -> SampleTimes:
        """Timing of a single sample with full beats of winners."""
        return sample_times(self.network, self.folding)[0]

    @property
    def bottleneck(self) -> str:
        """Name of the slowest layer, or "input" if that is slower: it limits the throughput."""
        slowest = max(self.plans, key=lambda plan: plan.cycles)
        return slowest.stage.name if slowest.cycles >= self.input_cycles else "input"


def arrival(network: Network, input_bytes: int) -> int:
    """Cycles in which a sample arrives, with memory supplying one beat per cycle."""
    return max(-(-sample_bytes(network) // input_bytes), sample_stride(network) // BEAT_BYTES)


def solve(
    network: Network,
    cycles: int,
    *,
    board: Board | None = None,
    budget: Resources | None = None,
    input_bytes: int = 64,
    efforts: Sequence[Effort] = EFFORTS,
) -> Solution:
    """Folding of the least `cost` that takes at most ``cycles`` per sample and stays in the budget.

    Parameters
    ----------
    board: target board; None for the default.
    budget: what may be used; None for the board's.
    input_bytes: input bytes taken per cycle.
    efforts: limits of the search, tried one after another until a folding is found.

    Raises FoldingError if there is none, or the engines cannot support the network.
    """
    board = board or default()
    budget = budget or board.budget
    plans(network, Folding(widest(network), input_bytes=input_bytes))
    needed = arrival(network, input_bytes)
    if needed > cycles:
        raise FoldingError(
            f"folding: a sample arrives in {needed} cycles, {cycles} were asked for; "
            "take more bytes a cycle"
        )
    error: FoldingError | None = None
    for effort in efforts:
        try:
            return _solved(network, cycles, board, budget, input_bytes, effort)
        except FoldingError as found:
            error = found
    raise error or FoldingError("folding: no effort, needs at least one")


def _solved(
    network: Network,
    cycles: int,
    board: Board,
    budget: Resources,
    input_bytes: int,
    effort: Effort,
) -> Solution:
    frames = 2
    while frames <= FRAMES_MAX:
        shape = Folding((), input_bytes=input_bytes, frames=frames)
        found = _Search(network, cycles, shape, board, budget, effort).run()
        if found is None:
            found = _Search(network, cycles, shape, board, budget, effort, thorough=True).run()
        enough = None if found is None else _frames_needed(found)
        if found is not None and enough == frames:
            check_image_fits(found.plans)
            return found
        frames = max(frames + 1, enough or 0)
    raise FoldingError(
        f"folding: samples wait for room in every machine of {cycles} cycles a sample with up to "
        f"{FRAMES_MAX} frames; ask for more cycles"
    )


def _frames_needed(found: Solution) -> int | None:
    """Number of frames with which the layers keep pace; None if no number is enough."""
    for frames in range(found.folding.frames, FRAMES_MAX + 1):
        if keeps_pace(replace(found, folding=replace(found.folding, frames=frames))):
            return frames
    return None


def keeps_pace(found: Solution) -> bool:
    """Whether there are enough frames for no layer to wait for room: the slowest layer then sets
    the machine's throughput (see `twofold.hw.solve.timeline`).
    """
    samples = 4 * found.folding.frames + SETTLING
    times = sample_times(found.network, found.folding, samples)
    return times[-1].finished - times[-1 - SETTLING].finished <= SETTLING * found.cycles


@dataclass(frozen=True)
class _Partial:
    """Foldings of the first layers, and what they use except after the last one's accumulators."""

    layers: tuple[LayerFolding, ...]
    taken: Resources
    board: Board

    @cached_property
    def cost(self) -> float:
        """Measure of the area that they use."""
        return cost(self.taken, self.board)


class _Search:
    """Search with a given number of frames.

    Keeping only the cheapest of those with the same end is enough if the result fits the budget.
    Only if it does not are all those kept that no other beats in every resource (``thorough``).
    """

    def __init__(
        self,
        network: Network,
        cycles: int,
        shape: Folding,
        board: Board,
        budget: Resources,
        effort: Effort,
        *,
        thorough: bool = False,
    ) -> None:
        self.network, self.cycles, self.shape = network, cycles, shape
        self.board, self.budget, self.thorough = board, budget, thorough
        self.effort = effort
        self.fronts: dict[tuple[object, ...], Resources | None] = {}
        self.backs: dict[tuple[object, ...], Resources] = {}

    def run(self) -> Solution | None:
        """The smallest folding, None if it exceeds the budget."""
        stages = self.network.stages
        best = self._kept(stages[0], self._first(stages[0]))
        for stage in stages[1:]:
            best = self._kept(stage, self._next(stage, best))
        done = self._kept(stages[-1], self._finished(best))
        least = min(done, key=lambda partial: partial.cost)
        if not fits(least.taken, self.budget):
            return None
        return Solution(self.network, replace(self.shape, layers=least.layers), self.board)

    def _candidates(self, stage: Stage) -> list[LayerFolding]:
        width = self.shape.input_bytes
        return promising(self.network, stage, self.cycles, self.effort, width)

    def _first(self, stage: Stage) -> Iterator[_Partial]:
        shared = shared_components(len(self.network.stages), self.board.family)
        start = self._sum([*shared, *link(self.network, self.shape, self.board)])
        for layer in self._candidates(stage):
            plan = layer.plan(stage, None)
            if plan.busy <= self.cycles:
                yield _Partial((layer,), start + self._sum(self._fronts(plan)), self.board)

    def _next(self, stage: Stage, before: Iterable[_Partial]) -> Iterator[_Partial]:
        layers = self._candidates(stage)
        for partial in before:
            found = {one: self._plans(partial.layers, one) for one in {at.takes for at in layers}}
            for layer in layers:
                sources = found[layer.takes]
                plan = plan_behind(sources, stage, layer)
                if plan.busy > self.cycles or not self._emits(sources[-1]):
                    continue
                more = self._front(plan, sources)
                if more is not None:
                    taken = partial.taken + self._back(sources[-1]) + more
                    yield _Partial((*partial.layers, layer), taken, self.board)

    def _finished(self, before: Iterable[_Partial]) -> Iterator[_Partial]:
        for partial in before:
            plan = self._plans(partial.layers, 1)[-1]
            if self._emits(plan):
                yield replace(partial, taken=partial.taken + self._back(plan))

    def _front(self, plan: Plan, before: Sequence[Plan]) -> Resources | None:
        """What a layer uses up to its accumulators, None if it cannot be fed."""
        read = [before[source] for source in plan.stage.sources]
        ends = tuple(one.folding.end(one.stage) for one in read)
        key = plan.stage.index, plan.folding, ends
        if key not in self.fronts:
            try:
                self.fronts[key] = self._sum(self._fronts(plan))
            except FoldingError:
                self.fronts[key] = None
        return self.fronts[key]

    def _fronts(self, plan: Plan) -> Iterator[Component]:
        return front(plan, self.shape, self.board.family)

    def _sum(self, parts: Iterable[Component]) -> Resources:
        family = self.board.family
        return sum((calibrated(part, family).total for part in parts), Resources())

    def _back(self, plan: Plan) -> Resources:
        """What a layer uses after its accumulators."""
        key = plan.stage.index, plan.folding, plan.emitted
        if key not in self.backs:
            self.backs[key] = self._sum(back(plan, self.board.family))
        return self.backs[key]

    def _emits(self, plan: Plan) -> bool:
        """Whether a layer's results leave it in time."""
        return plan.cycles <= self.cycles

    def _plans(self, layers: tuple[LayerFolding, ...], emit: int) -> list[Plan]:
        """Plans of the given layers, with ``emit`` winners taken per cycle after the last."""
        found: list[Plan] = []
        behind = [one.takes for one in layers[1:]]
        stages = self.network.stages
        for stage, layer, takes in zip(stages, layers, [*behind, emit], strict=False):
            found.append(plan_behind(found, stage, layer, emit=takes))
        return found

    def _end(self, stage: Stage, layers: tuple[LayerFolding, ...]) -> tuple[tuple[int, ...], ...]:
        """The part of the foldings up to ``stage`` that layers behind it depend on."""
        needed = {stage.index}
        for later in self.network.stages[stage.index + 1 :]:
            needed.update(source for source in later.sources if source < stage.index)
        return tuple(layers[at].end(self.network.stages[at]) for at in sorted(needed))

    def _kept(self, stage: Stage, found: Iterable[_Partial]) -> list[_Partial]:
        """Those that no other beats. Raises FoldingError if none is left."""
        ends: dict[tuple[tuple[int, ...], ...], list[_Partial]] = {}
        closest: Resources | None = None
        for partial in found:
            if self.thorough and not fits(partial.taken, self.budget):
                closest = min(closest or partial.taken, partial.taken, key=self._excess)
                continue
            rivals = ends.setdefault(self._end(stage, partial.layers), [])
            if not any(self._beats(rival, partial) for rival in rivals):
                rivals[:] = [one for one in rivals if not self._beats(partial, one)]
                rivals.append(partial)
        if not ends:
            within = f" within the budget: {self._short(closest)}" if closest else ""
            raise FoldingError(
                f"{stage.name}: no folding of the layers up to it takes {self.cycles} cycles a "
                f"sample or less{within}; ask for more cycles"
            )
        return [partial for rivals in ends.values() for partial in rivals]

    def _excess(self, taken: Resources) -> float:
        """Largest share of the budget that is taken of any resource."""
        return max(share(taken, self.budget))

    def _short(self, taken: Resources) -> str:
        """What is short for a machine that takes so much, in words."""
        return ", ".join(
            f"it takes {value:,.0f} {name}, and may take {most:,.0f}"
            for name, value, most in zip(NAMES, taken.values, self.budget.values, strict=True)
            if value > most
        )

    def _beats(self, one: _Partial, other: _Partial) -> bool:
        if self.thorough:
            return fits(one.taken, other.taken)
        return one.cost <= other.cost
