"""Tiles of a gather layer, and rows of tiles."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import ACT_BITS, MUL_BITS, SHIFT_MAX
from twofold.hw.contract.folding import GatherPlan
from twofold.hw.engines.gather.window import Windows
from twofold.hw.engines.links import entry_layout
from twofold.hw.engines.pooling import pooled
from twofold.hw.engines.requantise import Requantise
from twofold.hw.engines.winners import LocalWinners
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.dsp import PackedMac
from twofold.hw.primitives.memory import SharedRam
from twofold.hw.primitives.tile import Tile
from twofold.hw.primitives.tree import tree_levels


@dataclass(frozen=True)
class TileTiming:
    """Cycles from the last step of a kernel to the control of its result, as seen by the tiles.

    Parameters
    ----------
    plan: the layer.
    """

    plan: GatherPlan

    @property
    def select(self) -> int:
        """To the selection of the stream: its sums are complete."""
        return PackedMac.LATENCY + Windows(self.plan).emptied

    @property
    def constants(self) -> int:
        """To the requantisation constants: the stream is selected, its positions are pooled."""
        return self.select + 1 + tree_levels(self.plan.stage.positions)

    @property
    def channel(self) -> int:
        """To index and flags of the channel: the value is requantised."""
        return self.constants + Requantise.LATENCY + self.plan.stage.layer.multiplier


def channel_layout(plan: GatherPlan) -> data.StructLayout:
    """The channel that leaves the tiles, each field with its own timing (see `TileTiming`).

    ``select``: stream whose sums are complete. ``add``, ``mul``, ``shift``: constants of
    requantisation. ``index``, ``last``: the channel that has been requantised.
    """
    stage = plan.stage
    factor = {"mul": MUL_BITS} if stage.layer.multiplier else {}
    return data.StructLayout(
        {
            "select": range(plan.folding.streams),
            "add": signed(stage.add_bits),
            **factor,
            "shift": range(SHIFT_MAX + 1),
            "index": entry_layout(stage.channels)["index"].shape,
            "last": 1,
        }
    )


def control_layout(plan: GatherPlan) -> data.StructLayout:
    """Control of all tiles of a layer in a cycle.

    ``steps``: step of each stream (see `Windows.step_layout`), stream ``s`` being delayed by ``s``
    cycles so that streams complete one after the other. ``channel``: see `channel_layout`.
    """
    steps = data.ArrayLayout(Windows(plan).step_layout, plan.folding.streams)
    return data.StructLayout({"steps": steps, "channel": channel_layout(plan)})


class _Controlled(Tile):
    """Ports of a tile, or of a row of tiles, that registers its control.

    Parameters
    ----------
    plan: the layer.
    each: from the shape for one tile, that for all of them.
    """

    control: data.View
    valid: Signal
    write: data.View
    pixels: data.View
    o_valid: Signal
    o: data.View

    def __init__(self, plan: GatherPlan, each: Callable[[ShapeLike], ShapeLike]) -> None:
        self.plan, self.windows = plan, Windows(plan)
        super().__init__(
            {
                "control": In(control_layout(plan)),
                "valid": In(1),
                "write": In(self.windows.load_layout),
                "pixels": In(each(self.windows.square_shape)),
                "o_valid": Out(1),
                "o": Out(each(entry_layout(plan.stage.channels))),
            }
        )

    @property
    def parameters(self) -> GatherPlan:
        return self.plan

    def _registered(self, m: Module) -> tuple[data.View, Signal]:
        """Control and valid, one cycle later."""
        control = Signal.like(self.control, reset_less=True)
        valid = Signal()
        m.d.sync += [control.eq(self.control), valid.eq(self.valid)]
        return control, valid


class GatherTile(_Controlled):
    """Computes one pooled pixel per pass: sums, pooling, requantisation, winners.

    All positions of the pooling window are computed in parallel, for all streams; horizontal
    neighbours share a packed multiplier.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    control, valid: see `control_layout`; ``valid`` goes with the channel's index. Registered here.
    write, pixels: see `Windows.load_layout`. Registered here.
    o_valid, o: entry of the list of winners.
    """

    def __init__(self, plan: GatherPlan) -> None:
        super().__init__(plan, lambda shape: shape)

    def build(self, platform: object) -> Module:
        m = Module()
        control, valid = self._registered(m)
        memories = self._memories(m, control)
        sums = [
            self._sums(m, stream, control.steps[stream], memories[stream])
            for stream in range(self.plan.folding.streams)
        ]
        chosen = self._chosen(m, control.channel.select, sums)
        acc = pooled(m, chosen, self.plan.stage, name="max{level}_{at}")
        self._tail(m, control.channel, valid, acc)
        return m

    def _memories(self, m: Module, control: data.View) -> list[list[Value]]:
        """Windows: for each stream, the pixels its step reads, one per phase of row and column."""
        memories, streams = self.plan.phases, self.plan.folding.streams
        plane_of = self.windows.plane_of
        write = Signal.like(self.write, reset_less=True)
        pixels = Signal.like(self.pixels, reset_less=True)
        m.d.sync += [write.eq(self.write), pixels.eq(self.pixels)]
        m.submodules.window = ram = SharedRam(ACT_BITS, self.windows.depth, memories, streams)
        m.d.comb += [
            ram.write_en.eq(write.enable),
            ram.write_address.eq(Cat(write.column, write.row, plane_of(write), write.copy)),
        ]
        for number in range(memories):
            row, column = divmod(number, self.plan.col_phases)
            m.d.comb += ram.write_data[number].eq(pixels[row][column])
            for stream in range(streams):
                step = control.steps[stream]
                lookup = step.lookup
                place = (lookup.columns[column], lookup.rows[row], plane_of(lookup))
                address = Cat(*place, step.copy)
                m.d.comb += ram.address[number][stream].eq(address)
        return [[memory[stream] for memory in ram.data] for stream in range(streams)]

    def _sums(self, m: Module, stream: int, step: data.View, found: list[Value]) -> list[Value]:
        """Sum of a stream at every position, row by row."""
        (rows, cols), sums = self.plan.stage.pool_window, []
        for y in range(rows):
            for x in range(0, cols, 2):
                m.submodules[f"mac{stream}_{y}_{x}"] = mac = PackedMac()
                m.d.comb += [
                    mac.low_i.eq(self._pixel(step.lookup.phase, found, y, x)),
                    mac.weight.eq(step.weight),
                    mac.first.eq(step.first),
                    mac.valid.eq(1),
                ]
                sums.append(mac.low)
                if x + 1 < cols:
                    m.d.comb += mac.high_i.eq(self._pixel(step.lookup.phase, found, y, x + 1))
                    sums.append(mac.high)
        return self._emptied(m, stream, step, sums) if self.windows.emptied else sums

    def _pixel(self, phase: Value, found: list[Value], y: int, x: int) -> Value:
        """Pixel at position ``(y, x)``, from the memory that ``phase`` selects."""
        rows, cols = self.plan.row_phases, self.plan.col_phases
        down, across = self.plan.stage.strides
        return Array(
            found[(row + down * y) % rows * cols + (column + across * x) % cols]
            for row in range(rows)
            for column in range(cols)
        )[phase]

    def _emptied(self, m: Module, stream: int, step: data.View, sums: list[Value]) -> list[Value]:
        """Totals of a stream whose kernels have more products than a packed multiplier can add."""
        empty = delayed(m, step.empty, PackedMac.LATENCY, name=f"empty{stream}")
        start = delayed(m, step.start, PackedMac.LATENCY, name=f"start{stream}")
        totals: list[Value] = []
        for position, part in enumerate(sums):
            total = Signal(
                signed(self.windows.sum_bits), name=f"total{stream}_{position}", reset_less=True
            )
            with m.If(empty):
                m.d.sync += total.eq(Mux(start, 0, total) + part)
            totals.append(total)
        return totals

    def _chosen(self, m: Module, select: Value, sums: list[list[Value]]) -> list[Value]:
        """Sums of the stream that is complete."""
        chosen: list[Value] = []
        for position, streams in enumerate(zip(*sums, strict=True)):
            value = Signal(signed(self.windows.sum_bits), name=f"chosen{position}", reset_less=True)
            m.d.sync += value.eq(Array(streams)[select])
            chosen.append(value)
        return chosen

    def _tail(self, m: Module, channel: data.View, valid: Value, acc: Value) -> None:
        stage = self.plan.stage
        m.submodules.requantise = requantise = Requantise(
            stage.pooled_bits, stage.add_bits, multiplier=stage.layer.multiplier
        )
        m.submodules.winners = winners = LocalWinners(stage.channels, stage.k)
        if stage.layer.multiplier:
            m.d.comb += requantise.mul.eq(channel.mul)
        m.d.comb += [
            requantise.acc.eq(acc),
            requantise.add.eq(channel.add),
            requantise.shift.eq(channel.shift),
            winners.valid.eq(valid),
            winners.value.eq(requantise.o),
            winners.index.eq(channel.index),
            winners.last.eq(channel.last),
            self.o_valid.eq(winners.o_valid),
            self.o.eq(winners.o),
        ]


class GatherRow(_Controlled):
    """A row of tiles behind its own registers, which keep the fan-out of the control low.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    control, valid, write: as for `GatherTile`, for all tiles; the first two are registered here.
    pixels: pixels for each tile.
    o_valid, o: entry of every tile's list.
    """

    def __init__(self, plan: GatherPlan) -> None:
        super().__init__(plan, lambda shape: data.ArrayLayout(shape, plan.folding.cols))

    def build(self, platform: object) -> Module:
        m = Module()
        control, valid = self._registered(m)
        for column in range(self.plan.folding.cols):
            m.submodules[f"tile{column}"] = tile = GatherTile(self.plan)
            m.d.comb += [
                tile.control.eq(control),
                tile.valid.eq(valid),
                tile.write.eq(self.write),
                tile.pixels.eq(self.pixels[column]),
                self.o[column].eq(tile.o),
            ]
            if column == 0:
                m.d.comb += self.o_valid.eq(tile.o_valid)
        return m
