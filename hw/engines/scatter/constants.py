"""Requantisation constants: their tables, read in drain order."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.folding import ScatterPlan
from twofold.hw.contract.tables import Table, TableKind, tables
from twofold.hw.engines.links import ConfigBus, addressed
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
    config: writes to all tables of all layers.
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
        mine = addressed(self.config, table.stage, table.kind)
        for lane in range(table.lanes):
            m.submodules[f"{name}{lane}"] = ram = TableRam(shape, table.depth, 1, style)
            m.d.comb += [
                ram.write_en.eq(mine & (self.config.lane == lane)),
                ram.write_address.eq(self.config.address),
                ram.write_data.eq(self.config.data),
                ram.address[0].eq(self.step),
                getattr(self, name)[lane].eq(ram.data[0]),
            ]
