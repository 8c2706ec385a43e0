"""Requantisation constants: their tables, read in drain order."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.folding import ScatterPlan
from twofold.hw.contract.tables import Table, TableKind, tables
from twofold.hw.engines.links import ConfigBus, addressed, lane_of
from twofold.hw.primitives.memory import TableRam

DISTRIBUTED_DEPTH = 64
"""Tables up to this depth are kept in LUTs."""


class Constants(wiring.Component):
    """Tables of a layer's constants, read one row of channels at a time.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    config: writes to all tables of all layers; those of ``add`` and ``mul`` take a cycle.
    step: index of a row of ``drain`` channels.
    add, mul: of each channel of the row, `LATENCY` cycles later; ``mul`` exists only with a
        multiplier.
    shift: of the layer; does not exist for logits.

    Latency: `LATENCY`; one row per cycle.
    """

    LATENCY = TableRam.LATENCY

    config: Any
    step: Signal
    add: Any
    mul: Any
    shift: Signal

    def __init__(self, plan: ScatterPlan) -> None:
        self.plan = plan
        self.tables = {table.kind: table for table in tables(plan)}
        ports: dict[str, wiring.Member] = {
            "config": In(ConfigBus()),
            "step": In(range(plan.drain_steps)),
        }
        for table in self.tables.values():
            shape = Shape(table.bits, table.signed)
            if table.kind in (TableKind.ADD, TableKind.MUL):
                ports[table.kind.name.lower()] = Out(data.ArrayLayout(shape, table.lanes))
            elif table.kind == TableKind.SHIFT:
                ports["shift"] = Out(shape)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for kind in (TableKind.ADD, TableKind.MUL):
            if kind in self.tables:
                self._rows(m, self.tables[kind])
        if TableKind.SHIFT in self.tables:
            with m.If(addressed(self.config, self.plan.stage.index, TableKind.SHIFT)):
                m.d.sync += self.shift.eq(self.config.data)
        return m

    def _rows(self, m: Module, table: Table) -> None:
        name, shape = table.kind.name.lower(), Shape(table.bits, table.signed)
        style = "distributed" if table.depth <= DISTRIBUTED_DEPTH else "block"
        lane_written = lane_of(self.config, table.lanes)
        chosen = Signal(table.lanes, name=f"{name}_chosen")
        address = Signal(range(table.depth), name=f"{name}_address", reset_less=True)
        written = Signal(shape, name=f"{name}_written", reset_less=True)
        with m.If(addressed(self.config, table.stage, table.kind)):
            m.d.sync += chosen.eq(Cat(lane_written == lane for lane in range(table.lanes)))
        with m.Else():
            m.d.sync += chosen.eq(0)
        m.d.sync += [address.eq(self.config.address), written.eq(self.config.data)]
        for lane in range(table.lanes):
            m.submodules[f"{name}{lane}"] = ram = TableRam(shape, table.depth, 1, style)
            m.d.comb += [
                ram.write_en.eq(chosen[lane]),
                ram.write_address.eq(address),
                ram.write_data.eq(written),
                ram.address[0].eq(self.step),
                getattr(self, name)[lane].eq(ram.data[0]),
            ]
