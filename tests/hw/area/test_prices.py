"""Prices of building blocks against synthesis of the primitives, and against what was recorded."""

import importlib.util
import json
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.area.calibrate import MACHINES
from twofold.hw.area.cells import library
from twofold.hw.area.component import joined
from twofold.hw.area.hierarchy import Hierarchy
from twofold.hw.area.link import link
from twofold.hw.area.model import layer_components, shared_components
from twofold.hw.area.prices import calibration, factors, prices_of
from twofold.hw.area.prices.ecp5 import Ecp5Prices
from twofold.hw.area.synthesis import netlist
from twofold.hw.boards import find, names
from twofold.hw.boards.family import ECP5
from twofold.hw.boards.resources import Resources
from twofold.hw.engines.requantise import Requantise
from twofold.hw.engines.scatter.accumulators import EarlyAccumulators
from twofold.hw.primitives.dsp import PackedMac, PackedMultiply
from twofold.hw.primitives.memory import LutRam, SharedRam, TableRam
from twofold.hw.primitives.rom import looked_up
from twofold.hw.primitives.tile import emit

needs_yosys = pytest.mark.skipif(
    importlib.util.find_spec("pyosys") is None, reason="needs the extra named area"
)
PRICES = Ecp5Prices()
LUT_ERROR, FF_ERROR = 0.3, 0.25
"""How far a price may be from synthesis of the block by itself, before any factor. In a block by
itself, resets are so few that each flip-flop may take a LUT more.
"""
FEW = 20
"""LUTs, or flip-flops, that do not matter."""


class Rom(wiring.Component):
    """A table of ``values``, registered."""

    address: Signal
    o: Signal

    def __init__(self, values: list[int]) -> None:
        self.values = values
        super().__init__({"address": In(range(len(values))), "o": Out(range(max(values) + 1))})

    def elaborate(self, _: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(looked_up(m, "found", self.values, self.address))
        return m


def scrambled(count: int, bits: int) -> list[int]:
    """Values without any pattern."""
    return [(at * 2654435761 >> 7) % (1 << bits) for at in range(count)]


BLOCKS: dict[str, tuple[wiring.Component, Resources]] = {
    "lut ram": (LutRam(13, 24, 2), Resources(lut=2 * PRICES.lut_ram(24, 13))),
    "shallow lut ram": (LutRam(21, 16), Resources(lut=PRICES.lut_ram(16, 21))),
    "shared ram": (SharedRam(5, 12, 3, 2), Resources(lut=PRICES.shared_ram(12, 5, 6))),
    "table in luts": (
        TableRam(20, 32, style="distributed"),
        PRICES.table(32, 20, 1, 1, "distributed"),
    ),
    "lanes of two ports": (
        TableRam(26, 1200, 2, "ultra", lanes=2),
        PRICES.table(1200, 13, 2, 2, "ultra"),
    ),
    "window sums": (PackedMac(), PRICES.window_sums(1, 2)),
    "products": (PackedMultiply(), PRICES.products(2)),
    "sums in luts": (
        EarlyAccumulators(depth=40, acc_bits=20),
        PRICES.lane(40, 20, rounded=False),
    ),
    "deep sums": (
        EarlyAccumulators(depth=100, acc_bits=20),
        PRICES.lane(100, 20, rounded=False),
    ),
    "requantise": (Requantise(20, 21), PRICES.requantise(20, 21, multiplier=False)),
    "requantise wide products": (
        Requantise(20, 24, multiplier=True),
        PRICES.requantise(20, 24, multiplier=True),
    ),
    **{
        f"rom {count} x {bits}": (Rom(values), PRICES.rom(values))
        for count, bits in ((40, 4), (256, 8), (325, 4), (325, 5), (1100, 9), (2304, 15))
        for values in [scrambled(count, bits)]
    },
}


@needs_yosys
@pytest.mark.parametrize("name", BLOCKS)
def test_prices_of_the_ecp5(name: str, build: Path) -> None:
    """Multipliers and block memories exactly; LUTs and flip-flops within the stated error."""
    block, price = BLOCKS[name]
    hierarchy = Hierarchy(emit(block, "block", target=ECP5.target), "block")
    found = Resources()
    for part, count in hierarchy.counts("block").items():
        cells = netlist(hierarchy.verilog(part), part, build, family=ECP5)
        found += library(ECP5).taken(cells) * count
    assert (found.dsp, found.bram36) == (price.dsp, price.bram36)
    assert price.lut == pytest.approx(found.lut, rel=LUT_ERROR, abs=FEW + found.ff)
    if price.ff:
        assert price.ff == pytest.approx(found.ff, rel=FF_ERROR, abs=FEW)


def test_recorded_components() -> None:
    """What calibration recorded for the ECP5 is what the formulas say now, and its multipliers and
    block memories are exactly those of synthesis.
    """
    board = find("ulx3s-85f")
    rows = json.loads(calibration(ECP5).read_text())["components"]
    known = []
    for made in MACHINES[ECP5.name]:
        machine = made(board)
        parts = [
            one for plan in machine.plans
            for one in layer_components(plan, machine.folding, ECP5)
        ]  # fmt: skip
        parts += shared_components(len(machine.plans), ECP5)
        parts += link(machine.network, machine.folding, board)
        known += [(one.layer, one.kind, one.total.as_dict()) for one in joined(parts)]
    assert rows
    for row in rows:
        assert (row["layer"], row["kind"], row["formula"]) in known, "calibrate again"
        for resource in ("bram36", "dsp"):
            assert row["formula"][resource] == row["synthesis"][resource], row


def test_every_family_has_prices_and_factors() -> None:
    families = {find(name).family.name: find(name).family for name in names()}
    assert set(families) == set(MACHINES)
    kinds = [set(factors(family)) - {"link"} for family in families.values()]
    assert all(one == kinds[0] for one in kinds)
    for family in families.values():
        assert prices_of(family).TARGET is family.target
        assert all(one["lut"] > 0 and one["ff"] > 0 for one in factors(family).values())


def test_link_is_there_on_a_desk_only() -> None:
    machine = MACHINES[ECP5.name][0](find("ulx3s-85f"))
    assert link(machine.network, machine.folding, find("u250")) == []
    (found,) = link(machine.network, machine.folding, find("ulx3s-85f"))
    assert found.each.bram36 == 4, "8 block memories: frames 2, samples 4, results 2"
    assert found.each.dsp == 0
