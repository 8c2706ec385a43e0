"""What nextpnr makes of cells of the ECP5, counted in netlists made by hand."""

from typing import Any

import pytest

from twofold.hw.area.cells.ecp5 import arcs, launch, setup, taken
from twofold.hw.area.paths import Path, analyse, by_delay, by_levels
from twofold.hw.boards.family import ECP5
from twofold.hw.boards.resources import Resources


def cell(kind: str, outputs: str, **pins: list[Any]) -> dict[str, Any]:
    directions = {name: "output" if name in outputs.split() else "input" for name in pins}
    return {"type": kind, "connections": pins, "port_directions": directions}


def netlist(*cells: dict[str, Any], **ports: tuple[str, list[int]]) -> dict[str, Any]:
    return {
        "ports": {name: {"direction": way, "bits": bits} for name, (way, bits) in ports.items()},
        "cells": {str(at): each for at, each in enumerate(cells)},
    }


def carry(into: Any, out: int, first: int) -> dict[str, Any]:
    """A cell of a chain; ``first`` is its first sum."""
    return cell("CCU2C", "S0 S1 COUT", CIN=[into], COUT=[out], A0=[2], A1=[3], B0=[4], B1=[5],
                S0=[first], S1=[first + 1])  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "used"),
    [
        ("LUT4", Resources(lut=1)),
        ("PFUMX", Resources()),
        ("L6MUX21", Resources()),
        ("TRELLIS_DPR16X4", Resources(lut=6)),
        ("TRELLIS_FF", Resources(ff=1)),
        ("DP16KD", Resources(bram36=0.5)),
        ("MULT18X18D", Resources(dsp=1)),
        ("scatter_engine_1", Resources()),
    ],
)
def test_cells(kind: str, used: Resources) -> None:
    assert taken(netlist(cell(kind, ""))) == used


def test_a_chain_is_entered_and_left() -> None:
    chain = carry("0", 10, 20), carry(10, 11, 22), carry(11, 12, 24)
    assert taken(netlist(*chain)).lut == 3 * 2 + 2 + 2


def test_a_carry_that_is_read_on_its_way() -> None:
    reader = cell("LUT4", "Z", A=[10], Z=[30])
    chain = carry("0", 10, 20), carry(10, 11, 22)
    assert taken(netlist(*chain, reader)).lut == 2 * 2 + 2 + 2 + 2 + 1
    assert taken(netlist(*chain, o=("output", [10]))).lut == 2 * 2 + 2 + 2 + 2


def test_paths() -> None:
    """register -> LUT and its multiplexer -> carry chain -> register."""
    register = cell("TRELLIS_FF", "Q", CLK=[1], DI=[50], Q=[2])
    lut = cell("LUT4", "Z", A=[2], B=[3], Z=[6])
    pair = cell("PFUMX", "Z", ALUT=[6], BLUT=[6], C0=[2], Z=[7])
    low = cell("CCU2C", "S0 S1 COUT", CIN=["0"], COUT=[8], A0=[7], S0=[20], S1=[21])
    high = cell("CCU2C", "S0 S1 COUT", CIN=[8], COUT=[9], A0=[3], S0=[22], S1=[23])
    end = cell("TRELLIS_FF", "Q", CLK=[1], DI=[23], Q=[51])
    found = analyse(netlist(register, lut, pair, low, high, end), {}, by_levels, ECP5).worst
    assert (found.luts, found.carry) == (2, 4)
    assert found.delay > 2
    assert analyse(netlist(lut), {}, by_delay, ECP5).worst == Path()


def test_memories() -> None:
    ram = cell("TRELLIS_DPR16X4", "DO", RAD=[2], WAD=[3], DI=[4], WCK=[1], WRE=[5], DO=[6])
    assert {(arc.source, arc.target) for arc in arcs(ram)} == {(2, 6)}
    assert setup(ram) is not None and setup(cell("LUT4", "Z")) is None
    block = cell("DP16KD", "DOA0", CLKA=[1], DOA0=[2])
    bare = block | {"parameters": {"REGMODE_A": "NOREG"}}
    assert launch(bare) > launch(block) + 1
