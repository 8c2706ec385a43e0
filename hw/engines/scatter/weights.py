"""Weight memories of a scatter layer: writing them, and looking up the rows of winners."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.contract.folding import ScatterPlan
from twofold.hw.contract.tables import TableKind, channels_in, index_bits
from twofold.hw.engines.links import ConfigBus, addressed, entry_layout, lane_of
from twofold.hw.engines.scatter.engine import element_layout
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.memory import Style, TableRam

ENGINES = 2
"""Engines that share a memory, one per port."""
BLOCK_DEPTH = 2048
"""Memories shared by all positions are block memories up to this many rows."""


def memory_spans(plan: ScatterPlan) -> tuple[range, ...]:
    """Taps whose weights each memory of a position holds: those of its engines."""
    spans = plan.spans
    shared = (spans[at : at + ENGINES] for at in range(0, len(spans), ENGINES))
    return tuple(range(group[0].start, group[-1].stop) for group in shared)


def memory_depth(plan: ScatterPlan, span: range) -> int:
    """Rows of the memory that holds the taps ``span``."""
    return len(span) * channels_in(plan) * plan.rounds


def adds_address(plan: ScatterPlan) -> bool:
    """Whether a row address needs an adder, because the number of rounds is no power of two."""
    return plan.rounds & (plan.rounds - 1) != 0


def row_latency(plan: ScatterPlan) -> int:
    """Cycles from an entry to its weight row."""
    return adds_address(plan) + TableRam.LATENCY


def step_layout(plan: ScatterPlan) -> data.StructLayout:
    """The step of all engines: ``tap``, counted within the engine, and ``round``."""
    return data.StructLayout({"tap": range(plan.engine_taps), "round": range(plan.rounds)})


def write_layout(plan: ScatterPlan) -> data.StructLayout:
    """A weight write: ``element`` to ``lanes`` (one-hot) of each memory that is ``valid``."""
    depth = max(memory_depth(plan, span) for span in memory_spans(plan))
    memory = data.StructLayout({"valid": 1, "address": range(max(depth, 2))})
    return data.StructLayout(
        {
            "element": element_layout(plan.stage.slots),
            "lanes": plan.folding.lanes,
            "memories": data.ArrayLayout(memory, len(memory_spans(plan))),
        }
    )


def row_layout(plan: ScatterPlan) -> data.ArrayLayout:
    """A weight row: an element for each lane."""
    return data.ArrayLayout(element_layout(plan.stage.slots), plan.folding.lanes)


def own_style(plan: ScatterPlan) -> Style:
    """Style of the memories private to a position: deep ones where it walks a window."""
    return "ultra" if plan.stage.per_pixel else "block"


def shared_style(depth: int) -> Style:
    """Style of the memories that all positions share."""
    return "ultra" if depth > BLOCK_DEPTH else "block"


def _memory(
    m: Module, plan: ScatterPlan, at: int, style: Style, write: Any
) -> tuple[range, TableRam]:
    """Build memory ``at`` of a position, or of all; returns the engines it serves, and it."""
    span, lanes = memory_spans(plan)[at], plan.folding.lanes
    engines = range(at * ENGINES, min((at + 1) * ENGINES, len(plan.spans)))
    depth = memory_depth(plan, span)
    memory = TableRam(row_layout(plan), depth, len(engines), style, lanes=lanes)
    m.submodules[f"memory{at}"] = memory
    mine = write.memories[at]
    m.d.comb += [
        memory.write_en.eq(write.lanes & mine.valid.replicate(lanes)),
        *([memory.writing.eq(mine.valid)] if lanes > 1 else []),
        memory.write_address.eq(mine.address),
        Value.cast(memory.write_data).eq(Value.cast(write.element).replicate(lanes)),
    ]
    return engines, memory


class WeightWriter(wiring.Component):
    """Picks a layer's weights from the configuration bus, for the memories of its positions.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    config: writes to all tables of all layers.
    write: a write to the memories, one cycle later (see `write_layout`).
    """

    config: Any
    write: Any

    def __init__(self, plan: ScatterPlan) -> None:
        self.plan = plan
        super().__init__({"config": In(ConfigBus()), "write": Out(write_layout(plan))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, config, write = self.plan, self.config, self.write
        mine = Signal()
        m.d.comb += mine.eq(addressed(config, plan.stage.index, TableKind.WEIGHTS))
        m.d.sync += Value.cast(write.element).eq(config.data)
        lanes = plan.folding.lanes
        m.d.sync += write.lanes.eq(Cat(lane_of(config, lanes) == lane for lane in range(lanes)))
        for memory, span in zip(write.memories, memory_spans(plan), strict=True):
            depth = memory_depth(plan, span)
            first = span.start * channels_in(plan) * plan.rounds
            inside = (config.address >= first) & (config.address < first + depth)
            m.d.sync += [
                memory.valid.eq(mine & inside),
                memory.address.eq(config.address - first),
            ]
        return m


class WeightRows(wiring.Component):
    """The weight memories of one position; every engine looks up one row per cycle.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    entries: for each engine, the winner it looks up.
    step: of the entries of the next cycle (see `step_layout`).
    write: see `write_layout`.
    rows, values: for each engine, weight row and value of its entry, `row_latency` cycles later.

    Latency: `row_latency`; one row per cycle for each engine.
    """

    entries: Any
    step: Any
    write: Any
    rows: Any
    values: Any

    def __init__(self, plan: ScatterPlan) -> None:
        self.plan = plan
        self.engines = len(plan.spans)
        self.row = row_layout(plan)
        entry = entry_layout(plan.indices)
        super().__init__(
            {
                "entries": In(data.ArrayLayout(entry, self.engines)),
                "step": In(step_layout(plan)),
                "write": In(write_layout(plan)),
                "rows": Out(data.ArrayLayout(self.row, self.engines)),
                "values": Out(data.ArrayLayout(ACT_BITS, self.engines)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        style = own_style(plan)
        for at in range(len(memory_spans(plan))):
            engines, memory = _memory(m, plan, at, style, self.write)
            for port, engine in enumerate(engines):
                value = self.entries[engine].value
                m.d.comb += [
                    memory.address[port].eq(self._address(m, engine, port)),
                    self.rows[engine].eq(memory.data[port]),
                    self.values[engine].eq(
                        delayed(m, value, row_latency(plan), name=f"value{engine}")
                    ),
                ]
        return m

    def _address(self, m: Module, engine: int, port: int) -> Value:
        """Row of an engine's entry: tap within the memory, channel, round."""
        plan, step = self.plan, self.step
        round_index = Signal(range(plan.rounds), name=f"round{engine}")
        m.d.sync += round_index.eq(step.round)
        winner = self.entries[engine].index[: index_bits(plan)]
        if plan.walks_taps:
            tap = Signal(range(ENGINES * plan.engine_taps), name=f"tap{engine}")
            m.d.sync += tap.eq(step.tap + port * plan.engine_taps)
            winner = Cat(winner, tap)
        if not adds_address(plan):
            return Cat(round_index, winner)
        address = Signal(range(plan.rounds << len(winner)), name=f"address{engine}")
        m.d.sync += address.eq(winner * plan.rounds + round_index)
        return address


class SharedRows(wiring.Component):
    """The weight memories of all positions, which look up the same row at the same time.

    Parameters
    ----------
    plan: the layer; its rows are shared.

    Members
    -------
    row: address, counted from the first row of each engine (see `walk_layout`).
    write: see `write_layout`.
    rows: for each engine, its weight row, `LATENCY` cycles later. Registered.

    Latency: `LATENCY`; one row per cycle for each engine.
    """

    LATENCY = 1 + TableRam.LATENCY + 1

    row: Signal
    write: Any
    rows: Any

    def __init__(self, plan: ScatterPlan) -> None:
        self.plan = plan
        self._each = plan.engine_taps * channels_in(plan) * plan.rounds
        rows = data.ArrayLayout(row_layout(plan), len(plan.spans))
        super().__init__(
            {
                "row": In(range(max(self._each, 2))),
                "write": In(write_layout(plan)),
                "rows": Out(rows),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        for at, span in enumerate(memory_spans(plan)):
            style = shared_style(memory_depth(plan, span))
            engines, memory = _memory(m, plan, at, style, self.write)
            for port, engine in enumerate(engines):
                address = Signal.like(memory.address[port], name=f"address{engine}")
                row = Signal(row_layout(plan), name=f"row{engine}", reset_less=True)
                m.d.sync += [address.eq(self.row + port * self._each), row.eq(memory.data[port])]
                m.d.comb += [memory.address[port].eq(address), self.rows[engine].eq(row)]
        return m
