"""Tiles whose positions share the weight rows, because no activation is left out."""

from abc import abstractmethod
from typing import Any

from amaranth.hdl import *
from amaranth.lib import data
from amaranth.lib.wiring import In, Member, Out

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.contract.folding import ScatterPlan
from twofold.hw.engines.pooling import pooled
from twofold.hw.engines.scatter.dense import DenseEngine
from twofold.hw.engines.scatter.engine import ScatterEngine, drain_layout
from twofold.hw.engines.scatter.weights import row_layout, step_layout
from twofold.hw.primitives.tile import Tile
from twofold.hw.primitives.tree import sum_of


def shared_control(plan: ScatterPlan) -> dict[str, Member]:
    """Broadcast ports of a tile, and its activations."""
    engines, groups = len(plan.spans), plan.folding.lanes // plan.folding.drain
    ports: dict[str, Member] = {
        "values": In(data.ArrayLayout(ACT_BITS, plan.stage.positions * engines)),
        "rows": In(data.ArrayLayout(row_layout(plan), engines)),
    }
    if plan.sums_in_dsp:
        return ports | {"first": In(1), "keep": In(1), "drain": In(drain_layout(1, groups))}
    depth = plan.rounds * plan.stage.slots
    return ports | {
        "step": In(step_layout(plan)),
        "bank": In(1),
        "drain": In(drain_layout(depth, groups)),
    }


class SharedTile(Tile):
    """A pooling window: positions with engines, summed and pooled; weights come from outside.

    All inputs are registered.

    Parameters
    ----------
    plan: the layer; its rows are shared.

    Members
    -------
    values: for each position and, within it, engine: its activation.
    rows: for each engine: the weight row for its activations.
    drain: see `twofold.hw.engines.scatter.engine.drain_layout`; ``group`` selects one of the groups
        of ``drain`` lanes.
    o: ``drain`` neighbouring channels, each pooled over the positions.

    Latency: all fixed; one step and one drained row per cycle. ``o`` follows ``drain`` by
    `twofold.hw.engines.scatter.tile.drain_latency` cycles.
    """

    values: Any
    rows: Any
    drain: Any
    o: Any

    def __init__(self, plan: ScatterPlan) -> None:
        self.plan = plan
        self.engines = len(plan.spans)
        self._ports = shared_control(plan)
        row = data.ArrayLayout(signed(plan.stage.pooled_bits), plan.folding.drain)
        super().__init__(self._ports | {"o": Out(row)})

    @property
    def parameters(self) -> ScatterPlan:
        return self.plan

    @abstractmethod
    def engine(
        self, m: Module, inputs: dict[str, Any], row: Any, value: Value
    ) -> DenseEngine | ScatterEngine:
        """An engine fed with ``row`` and ``value``; ``inputs`` are the other inputs of the tile."""

    def build(self, platform: object) -> Module:
        m = Module()
        inputs: dict[str, Any] = {}
        for name in self._ports:
            port = getattr(self, name)
            inputs[name] = Signal.like(port, name=f"{name}_in")
            m.d.sync += inputs[name].eq(port)
        positions: list[list[Value]] = []
        for position in range(self.plan.stage.positions):
            sums: list[Any] = []
            for at in range(self.engines):
                value = inputs["values"][position * self.engines + at]
                engine = self.engine(m, inputs, inputs["rows"][at], value)
                m.submodules[f"engine{position}_{at}"] = engine
                sums.append(engine.sums)
            lanes = range(len(self.o))
            positions.append([sum_of(m, [each[lane] for each in sums]) for lane in lanes])
        for lane, o in enumerate(self.o):
            m.d.comb += o.eq(pooled(m, [each[lane] for each in positions], self.plan.stage))
        return m


class DenseTile(SharedTile):
    """A `SharedTile` of dense weights.

    Members
    -------
    first: the values are the first of a run.
    keep: the values `twofold.hw.engines.scatter.tile.bank_delay` cycles earlier were the last.
    """

    first: Signal
    keep: Signal

    def engine(
        self, m: Module, inputs: dict[str, Any], row: Any, value: Value
    ) -> DenseEngine | ScatterEngine:
        plan = self.plan
        engine = DenseEngine(
            lanes=plan.folding.lanes,
            products=plan.winner_beats,
            acc_bits=plan.stage.acc_bits,
            drain=plan.folding.drain,
        )
        m.d.comb += [
            *(to.eq(element.weight) for to, element in zip(engine.row, row, strict=True)),
            engine.value.eq(value),
            engine.first.eq(inputs["first"]),
            engine.keep.eq(inputs["keep"]),
            engine.group.eq(inputs["drain"].group),
        ]
        return engine


class SharedScatterTile(SharedTile):
    """A `SharedTile` of complementary sets.

    Members
    -------
    step: round of the values of the next cycle.
    bank: bank for the values `twofold.hw.engines.scatter.tile.bank_delay` cycles earlier.
    """

    step: Any
    bank: Signal

    def engine(
        self, m: Module, inputs: dict[str, Any], row: Any, value: Value
    ) -> DenseEngine | ScatterEngine:
        plan = self.plan
        engine = ScatterEngine(
            lanes=plan.folding.lanes,
            slots=plan.stage.slots,
            rounds=plan.rounds,
            acc_bits=plan.stage.acc_bits,
            drain=plan.folding.drain,
        )
        base = Signal.like(engine.base, name="base", reset_less=True)
        m.d.sync += base.eq(inputs["step"].round * plan.stage.slots)
        m.d.comb += [
            engine.row.eq(row),
            engine.value.eq(value),
            engine.base.eq(base),
            engine.bank.eq(inputs["bank"]),
            engine.drain.eq(inputs["drain"]),
        ]
        return engine
