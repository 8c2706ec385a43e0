"""Scatter tiles: the engines of a pooling window and, for convolutions, the tail of the pixel."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import MUL_BITS
from twofold.hw.contract.folding import ScatterPlan
from twofold.hw.engines.links import entry_layout
from twofold.hw.engines.pooling import pooled
from twofold.hw.engines.requantise import SHIFT_BITS, Requantise
from twofold.hw.engines.scatter.dense import DenseEngine
from twofold.hw.engines.scatter.engine import ScatterEngine, drain_layout
from twofold.hw.engines.scatter.shared import (
    DenseTile,
    SharedScatterTile,
    SharedTile,
    shared_control,
)
from twofold.hw.engines.scatter.weights import WeightRows, row_latency, step_layout, write_layout
from twofold.hw.engines.winners import LocalWinners
from twofold.hw.primitives.choice import choice_levels
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.tile import Tile
from twofold.hw.primitives.tree import sum_of, tree_levels


def constants_layout(plan: ScatterPlan) -> data.StructLayout:
    """Constants of one value: ``add``, ``shift``, and ``mul`` where there is a multiplier."""
    fields = {"add": signed(plan.stage.add_bits), "shift": unsigned(SHIFT_BITS)}
    if plan.stage.layer.multiplier:
        fields["mul"] = unsigned(MUL_BITS)
    return data.StructLayout(fields)


def channel_layout(channels: int) -> data.StructLayout:
    """A channel on its way to the winners: ``valid``, ``index`` and ``last``."""
    index = entry_layout(channels)["index"].shape
    return data.StructLayout({"valid": 1, "index": index, "last": 1})


def bank_delay(plan: ScatterPlan) -> int:
    """Cycles from an entry at a tile to the ``bank`` or ``keep`` that goes with it."""
    if plan.sums_in_dsp:
        return DenseEngine.LATENCY
    if plan.shares_rows:
        return 1 + ScatterEngine.LATENCY - 2
    return row_latency(plan) + ScatterEngine.LATENCY - 2


def drain_latency(plan: ScatterPlan) -> int:
    """Cycles from ``drain`` at a `ScatterTile` or `SharedTile` to the row it drains.

    Registers at the input and in front of the accumulators, and one for each level of the lane
    multiplexer, of the sum over the engines and of the pooling of the positions; sums in
    multipliers take one more to be separated.
    """
    levels = tree_levels(len(plan.spans)) + tree_levels(plan.stage.positions)
    groups = plan.folding.lanes // plan.folding.drain
    return 2 + choice_levels(groups) + plan.sums_in_dsp + levels


def _control(plan: ScatterPlan) -> dict[str, wiring.Member]:
    """Broadcast ports of a tile, and its entries."""
    if plan.shares_rows:
        return shared_control(plan)
    readers = plan.stage.positions * len(plan.spans)
    groups = plan.folding.lanes // plan.folding.drain
    return {
        "entries": In(data.ArrayLayout(entry_layout(plan.indices), readers)),
        "step": In(step_layout(plan)),
        "bank": In(1),
        "drain": In(drain_layout(plan.rounds * plan.stage.slots, groups)),
        "write": In(write_layout(plan)),
    }


class ScatterTile(Tile):
    """A pooling window: positions with engines and weight memories, summed and pooled.

    Control is broadcast to all tiles of a layer, so each tile registers it locally.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    entries: for each position and, within it, engine: the winner it looks up.
    step: of the entries of the next cycle (see `twofold.hw.engines.scatter.weights.step_layout`).
    bank: bank for the entries `bank_delay` cycles earlier; the other bank drains.
    drain: see `twofold.hw.engines.scatter.engine.drain_layout`; ``group`` selects one of the groups
        of ``drain`` lanes.
    write: into the weight memories (see `twofold.hw.engines.scatter.weights.write_layout`).
    o: ``drain`` neighbouring channels, each pooled over the positions, `drain_latency` cycles
        after ``drain``.

    Latency: all fixed; one step and one drained row per cycle.
    """

    entries: Any
    step: Any
    bank: Signal
    drain: Any
    write: Any
    o: Any

    def __init__(self, plan: ScatterPlan) -> None:
        self.plan = plan
        self.engines = len(plan.spans)
        self.positions = plan.stage.positions
        self.bank_delay = bank_delay(plan)
        self.drain_latency = drain_latency(plan)
        row = data.ArrayLayout(signed(plan.stage.pooled_bits), plan.folding.drain)
        super().__init__(_control(plan) | {"o": Out(row)})

    @property
    def parameters(self) -> ScatterPlan:
        return self.plan

    def build(self, platform: object) -> Module:
        m = Module()
        bank, drain, write = Signal(), Signal.like(self.drain), Signal.like(self.write)
        m.d.sync += [bank.eq(self.bank), drain.eq(self.drain), write.eq(self.write)]
        positions: list[list[Value]] = []
        for position in range(self.positions):
            sums = [engine.sums for engine in self._position(m, position, write, bank, drain)]
            positions.append(
                [sum_of(m, [each[lane] for each in sums]) for lane in range(len(self.o))]
            )
        for lane, o in enumerate(self.o):
            m.d.comb += o.eq(pooled(m, [each[lane] for each in positions], self.plan.stage))
        return m

    def _position(
        self, m: Module, position: int, write: Value, bank: Value, drain: Any
    ) -> list[ScatterEngine]:
        """Weight memories and engines of one position."""
        plan, stage = self.plan, self.plan.stage
        m.submodules[f"rows{position}"] = rows = WeightRows(plan)
        m.d.comb += [rows.step.eq(self.step), rows.write.eq(write)]
        round_index = delayed(m, self.step.round, row_latency(plan), name=f"round{position}")
        base = Signal(range((plan.rounds - 1) * stage.slots + 1), name=f"base{position}")
        m.d.sync += base.eq(round_index * stage.slots)
        engines: list[ScatterEngine] = []
        for at in range(self.engines):
            m.submodules[f"engine{position}_{at}"] = engine = ScatterEngine(
                lanes=plan.folding.lanes,
                slots=stage.slots,
                rounds=plan.rounds,
                acc_bits=stage.acc_bits,
                drain=plan.folding.drain,
            )
            m.d.comb += [
                rows.entries[at].eq(self.entries[position * self.engines + at]),
                engine.row.eq(rows.rows[at]),
                engine.value.eq(rows.values[at]),
                engine.base.eq(base),
                engine.bank.eq(bank),
                engine.drain.eq(drain),
            ]
            engines.append(engine)
        return engines


def tile_of(plan: ScatterPlan) -> ScatterTile | SharedTile:
    """The tile of a layer."""
    if plan.sums_in_dsp:
        return DenseTile(plan)
    return SharedScatterTile(plan) if plan.shares_rows else ScatterTile(plan)


class PixelTile(Tile):
    """A `ScatterTile` or `SharedTile` with the tail of its pixel.

    The tail is requantisation and winners over the channels.

    Parameters
    ----------
    plan: the layer, a convolution.

    Members
    -------
    entries, step, bank, drain, write: as for `ScatterTile`, or the inputs of a `SharedTile`.
    constants: of the channel drained `constants_delay` cycles earlier (see `constants_layout`).
    channel: of the channel drained `channel_delay` cycles earlier (see `channel_layout`).
    o_valid, o: winners, as output by `twofold.hw.engines.winners.LocalWinners`.

    Latency: that of its parts; all tiles of a layer output their winners in the same cycles.
    """

    entries: Any
    values: Any
    rows: Any
    first: Signal
    keep: Signal
    step: Any
    bank: Signal
    drain: Any
    write: Any
    constants: Any
    channel: Any
    o_valid: Signal
    o: Any

    def __init__(self, plan: ScatterPlan) -> None:
        self.plan = plan
        self.bank_delay = bank_delay(plan)
        self.constants_delay = drain_latency(plan) - 1
        multiplier = plan.stage.layer.multiplier
        self.channel_delay = self.constants_delay + Requantise.LATENCY + multiplier
        super().__init__(
            _control(plan)
            | {
                "constants": In(constants_layout(plan)),
                "channel": In(channel_layout(plan.stage.channels)),
                "o_valid": Out(1),
                "o": Out(entry_layout(plan.stage.channels)),
            }
        )

    @property
    def parameters(self) -> ScatterPlan:
        return self.plan

    def build(self, platform: object) -> Module:
        m = Module()
        stage = self.plan.stage
        m.submodules.tile = tile = tile_of(self.plan)
        m.submodules.requantise = requantise = Requantise(
            stage.pooled_bits, stage.add_bits, multiplier=stage.layer.multiplier
        )
        m.submodules.winners = winners = LocalWinners(stage.channels, stage.k)
        for name in _control(self.plan):
            m.d.comb += getattr(tile, name).eq(getattr(self, name))
        constants: Any = Signal(self.constants.shape(), reset_less=True)
        channel: Any = Signal(self.channel.shape())
        m.d.sync += [constants.eq(self.constants), channel.eq(self.channel)]
        m.d.comb += [
            requantise.acc.eq(tile.o[0]),
            requantise.add.eq(constants.add),
            requantise.shift.eq(constants.shift),
            winners.valid.eq(channel.valid),
            winners.index.eq(channel.index),
            winners.last.eq(channel.last),
            winners.value.eq(requantise.o),
            self.o_valid.eq(winners.o_valid),
            self.o.eq(winners.o),
        ]
        if stage.layer.multiplier:
            m.d.comb += requantise.mul.eq(constants.mul)
        return m
