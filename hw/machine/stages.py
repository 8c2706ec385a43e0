"""From plans to hardware: the component that each engine builds for a layer, and what follows it.

The core depends on engines only through `part_of`; a new engine is an entry of `_STAGES`, a new
form of output an entry of `_TAILS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.lib import data, wiring

from twofold.hw.contract.engines import GatherPlan, JoinPlan, Plan, ScatterPlan, VectorPlan
from twofold.hw.contract.folding import Folding, frames_of_readers
from twofold.hw.contract.network import Network, Output
from twofold.hw.contract.results import result_row
from twofold.hw.engines.fork import Fork
from twofold.hw.engines.gather.stage import GatherStage
from twofold.hw.engines.links import entry_layout, winner_layout
from twofold.hw.engines.scatter.stage import ScatterStage
from twofold.hw.engines.vector.stage import VectorStage
from twofold.hw.engines.winners.vector import GlobalWinners
from twofold.hw.machine.result import result_of


@dataclass(frozen=True)
class Part:
    """A layer in hardware.

    Attributes
    ----------
    plan: the layer.
    stage: a component with ``i``, ``config``, ``o``, ``activity`` and ``lookups``; the first one of
        a machine also has ``closed``, and an addition ``j``.
    tail: name suffix and component, with ``i`` and ``o``, that come after it; None where the stage
        is connected to the next one directly.
    fork: component with ``i`` and ``outputs`` behind it, if several layers read it.
    """

    plan: Plan
    stage: Any
    tail: tuple[str, Any] | None
    fork: Fork | None = None


Named = tuple[str, Any]
"""The name suffix of a component, and the component."""


@dataclass(frozen=True)
class _Tail:
    """What follows a stage with a given form of output.

    Attributes
    ----------
    build: the component for a layer of a network; None where the next stage is connected directly.
    credits: samples that it has room for; without a component, the frames of its readers.
    probe: layout that a probe behind it observes.
    """

    build: Callable[[Plan, Network], Named | None]
    credits: Callable[[Any, Sequence[int]], int]
    probe: Callable[[Plan], data.Layout]


def _winners(plan: Plan, _: Network) -> Named:
    return "winners", GlobalWinners(plan.stage.channels, plan.drain, plan.stage.k, plan.emitted)


def _result(plan: Plan, network: Network) -> Named:
    return "result", result_of(result_row(network), plan.drain)


_TAILS = {
    Output.PIXELS: _Tail(
        build=lambda *_: None,
        credits=lambda _, frames: min(frames),
        probe=lambda plan: data.ArrayLayout(entry_layout(plan.stage.channels), plan.folding.tiles),
    ),
    Output.WINNERS: _Tail(
        build=_winners,
        credits=lambda winners, _: winners.SAMPLES,
        probe=lambda plan: winner_layout(plan.stage.channels, plan.emitted),
    ),
    Output.LOGITS: _Tail(
        build=_result,
        credits=lambda result, _: result.samples,
        probe=lambda _: data.StructLayout({}),
    ),
}


def _scatter(plan: ScatterPlan, folding: Folding, credits: int) -> ScatterStage:
    return ScatterStage(plan, frames=folding.frames, credits=credits)


_STAGES: dict[type[Plan], Callable[[Any, Folding, int], wiring.Component]] = {
    GatherPlan: lambda plan, folding, credits: GatherStage(
        plan, input_bytes=folding.input_bytes, credits=credits
    ),
    ScatterPlan: _scatter,
    JoinPlan: _scatter,
    VectorPlan: lambda plan, folding, credits: VectorStage(
        plan, input_bytes=folding.input_bytes, credits=credits
    ),
}


def part_of(plan: Plan, network: Network, folding: Folding) -> Part:
    """The hardware of a layer of a machine. Raises FoldingError if it cannot be built."""
    stage, tail = plan.stage, _TAILS[plan.stage.output]
    named = tail.build(plan, network)
    frames = frames_of_readers(network, folding, stage)
    credits = tail.credits(None if named is None else named[1], frames)
    fork = Fork(plan.folding.tiles, stage.channels, frames) if len(frames) > 1 else None
    return Part(plan, _STAGES[type(plan)](plan, folding, credits), named, fork)


def probe_layout(plan: Plan) -> data.Layout:
    """What a probe behind a hidden layer observes: a beat of its pixel lists or its winners."""
    return _TAILS[plan.stage.output].probe(plan)
