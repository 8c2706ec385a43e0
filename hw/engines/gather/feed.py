"""Feeds of a gather layer: its tables, and the control they give the tiles in every cycle."""

from typing import Any

from amaranth.hdl import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import MUL_BITS, SHIFT_MAX, WEIGHT_BITS
from twofold.hw.contract.folding import GatherPlan
from twofold.hw.contract.tables import TableKind, weights_table
from twofold.hw.engines.gather.tile import TileTiming, channel_layout
from twofold.hw.engines.gather.window import Windows, step_flags
from twofold.hw.engines.links import ConfigBus, addressed, lane_of
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.memory import TableRam

DISTRIBUTED_DEPTH = 256
"""Tables up to this depth are kept in LUTs."""


def _table(shape: ShapeLike, depth: int) -> TableRam:
    return TableRam(shape, depth, style="distributed" if depth <= DISTRIBUTED_DEPTH else "block")


def _connect(m: Module, table: TableRam, config: Any, enable: Value) -> None:
    m.d.comb += [
        table.write_en.eq(enable),
        table.write_address.eq(config.address),
        table.write_data.eq(config.data),
    ]


class StepFeed(wiring.Component):
    """Tap table and flags: turns a step number into the control of every stream.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    config: writes to the tap table.
    active, step, copy: from `StepSequencer`.
    steps: step of each stream, stream ``s`` being delayed by ``s`` cycles. Registered.
    done: asserted in the cycle before the last step of a group of kernels is in ``steps[0]``.

    Latency: `LATENCY` cycles to ``steps[0]``.
    """

    LATENCY = TableRam.LATENCY + 1

    config: Any
    active: Signal
    step: Signal
    copy: Signal
    steps: data.View
    done: Signal

    def __init__(self, plan: GatherPlan) -> None:
        self.plan, self.windows = plan, Windows(plan)
        streams = plan.folding.streams
        super().__init__(
            {
                "config": In(ConfigBus()),
                "active": In(1),
                "step": In(range(plan.steps)),
                "copy": In(range(self.windows.copies)),
                "steps": Out(data.ArrayLayout(self.windows.step_layout, streams)),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        flags = self._flags(m)
        active = delayed(m, self.active, TableRam.LATENCY, name="active", reset=True)
        copy = delayed(m, self.copy, TableRam.LATENCY, name="copy")
        m.d.comb += self.done.eq(active & flags.last)
        enable = addressed(self.config, self.plan.stage.index, TableKind.WEIGHTS)
        streams = self.plan.folding.streams
        lane = lane_of(self.config, streams)
        for stream in range(streams):
            element = data.StructLayout(
                {"weight": signed(WEIGHT_BITS), "tap": weights_table(self.plan).bits - WEIGHT_BITS}
            )
            m.submodules[f"taps{stream}"] = table = _table(element, self.plan.steps)
            _connect(m, table, self.config, enable & (lane == stream))
            m.d.comb += table.address[0].eq(self.step)
            if stream:
                flags = self._later(m, flags, stream)
                copy = delayed(m, copy, 1, name=f"copy{stream}")
            row = delayed(m, Value.cast(table.data[0]), stream, name=f"row{stream}")
            self._step(m, stream, data.View(element, row), flags, copy)
        return m

    def _later(self, m: Module, flags: data.View, stream: int) -> data.View:
        later = Signal(self._flag_layout, name=f"flags{stream}", reset_less=True)
        m.d.sync += later.eq(flags)
        return later

    @property
    def _flag_layout(self) -> data.StructLayout:
        return data.StructLayout({"first": 1, "empty": 1, "start": 1, "last": 1})

    def _flags(self, m: Module) -> data.View:
        """Flags of the step, aligned with the tap table."""
        rows: list[Any] = [vars(row) for row in step_flags(self.plan)]
        deep = self.plan.steps > DISTRIBUTED_DEPTH
        m.submodules.flags = flags = memory.Memory(
            shape=self._flag_layout,
            depth=self.plan.steps,
            init=rows,
            attrs={"rom_style": "block"} if deep else {},
        )
        read = flags.read_port()
        output = Signal(self._flag_layout, reset_less=True)
        m.d.comb += read.addr.eq(self.step)
        m.d.sync += output.eq(read.data)
        return output

    def _step(self, m: Module, stream: int, row: Any, flags: data.View, copy: Value) -> None:
        windows = self.windows
        lookups = [
            windows.lookup_layout.const(windows.lookup(tap))
            for tap in range(self.plan.stage.inputs)
        ]
        out = Signal(windows.step_layout, name=f"step{stream}", reset_less=True)
        m.d.sync += [
            out.weight.eq(row.weight),
            Value.cast(out.lookup).eq(Array(Value.cast(lookup) for lookup in lookups)[row.tap]),
            out.copy.eq(copy),
            out.first.eq(flags.first),
        ]
        if windows.emptied:
            m.d.sync += [out.empty.eq(flags.empty), out.start.eq(flags.start)]
        m.d.comb += self.steps[stream].eq(out)


class ChannelFeed(wiring.Component):
    """Constants and indices of the channels, for the results that leave the tiles.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    config: writes to the constants.
    done: from `StepFeed`.
    channel: see `channel_layout`.
    valid: there is a channel at ``channel.index``.
    """

    config: Any
    done: Signal
    channel: data.View
    valid: Signal

    def __init__(self, plan: GatherPlan) -> None:
        self.plan = plan
        super().__init__(
            {
                "config": In(ConfigBus()),
                "done": In(1),
                "channel": Out(channel_layout(plan)),
                "valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stage, streams, timing = self.plan.stage, self.plan.folding.streams, TileTiming(self.plan)
        active, stream = Signal(), Signal(range(streams))
        number = Signal(range(stage.channels))
        stream_wraps, wraps = stream == streams - 1, number == stage.channels - 1
        with m.If(active):
            m.d.sync += number.eq(Mux(wraps, 0, number + 1))
            m.d.sync += stream.eq(Mux(stream_wraps, 0, stream + 1))
            with m.If(stream_wraps):
                m.d.sync += active.eq(0)
            with m.If(wraps):
                m.d.sync += [active.eq(0), stream.eq(0)]
        with m.If(self.done):
            m.d.sync += active.eq(1)

        channel, at = self.channel, timing.channel
        m.d.comb += [
            channel.select.eq(delayed(m, stream, timing.select, name="select")),
            channel.index.eq(delayed(m, number, at, name="index")),
            channel.last.eq(delayed(m, wraps, at, name="last")),
            self.valid.eq(delayed(m, active, at, name="valid", reset=True)),
        ]
        self._constants(m, number, timing.constants - TableRam.LATENCY)
        return m

    def _constants(self, m: Module, number: Value, cycles: int) -> None:
        stage, config, channel = self.plan.stage, self.config, self.channel
        shapes = {TableKind.ADD: signed(stage.add_bits)}
        if stage.layer.multiplier:
            shapes[TableKind.MUL] = unsigned(MUL_BITS)
        for kind, shape in shapes.items():
            name = kind.name.lower()
            m.submodules[name] = table = _table(shape, stage.channels)
            _connect(m, table, config, addressed(config, stage.index, kind))
            m.d.comb += table.address[0].eq(number)
            value = delayed(m, Value.cast(table.data[0]), cycles, name=name)
            m.d.comb += channel[name].eq(value)
        shift = Signal(range(SHIFT_MAX + 1))
        with m.If(addressed(config, stage.index, TableKind.SHIFT)):
            m.d.sync += shift.eq(config.data)
        m.d.comb += channel.shift.eq(shift)
