"""Routed paths and where they belong."""

import pytest

from twofold.hw.area.estimate import Part
from twofold.hw.area.paths import Path
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.errors import ToolError
from twofold.hw.route.paths import Pair, Places, pairs, rank_correlation, routed_paths

TEXT = """\
module adder_0123abcd(clk, \\a$1 , sum);
  input clk;
  wire clk;
  input [3:0] \\a$1 ;
  output [3:0] sum;
endmodule

module \\station.core.loader (clk, go, o);
  input clk;
  input go;
  output o;
  \\station.core.loader.inner  inner (
    .go(go)
  );
endmodule

module \\station.core.loader.inner (go);
  input go;
endmodule

module \\station.core (clk);
  input clk;
  \\station.core.loader  loader (
    .clk(clk)
  );
  adder_0123abcd \\adder$7  (
    .clk(clk)
  );
endmodule

module station(clk, rst, rx, tx);
  input clk;
  \\station.core  core (
    .clk(clk)
  );
endmodule
"""
ADDER, LOADER = "machine.core.adder$7", "machine.core.loader"


@pytest.fixture
def places() -> Places:
    return Places(TEXT)


def test_a_wire_belongs_to_the_part_that_drives_it(places: Places):
    assert places.of_wires([f"{ADDER}.sum", "machine.core.total"]) == "adder_0123abcd"
    assert places.of_wires([f"{ADDER}.a$1", f"{LOADER}.o"]) == "core.loader"
    assert places.of_wires([f"{LOADER}.inner.go", f"{LOADER}.go", "machine.core.x"]) == "core"
    assert places.of_wires(["machine.rx_in"]) == ""
    assert places.of_wires(["clock.i"]) is None


def test_a_cell_belongs_to_the_part_in_its_name(places: Places):
    assert places.of_cell(f"{LOADER}.inner.ram.0.0$RAMW") == "core.loader"
    assert places.of_cell("machine.uart") == ""
    assert places.of_cell("pll") is None


def test_the_slowest_path_of_each_part(places: Places):
    netlist = {
        "netnames": {
            f"{ADDER}.sum": {"bits": [7, "0"]},
            f"{LOADER}.o": {"bits": [8]},
            "machine.shift": {"bits": [9]},
        },
        "cells": {
            name: {"type": "TRELLIS_FF", "connections": {"Q": [bit]}}
            for name, bit in (("one", 7), ("two", 8), ("three", 9))
        },
    }
    ends = (("one", 4.0), ("two", 5.0), ("three", 9.0), (f"{LOADER}.ram.0.0", 6.0), ("pll", 8.0))
    nets = [{"endpoints": [{"cell": cell, "delay": [1.0, delay]}]} for cell, delay in ends]
    report = {"detailed_net_timings": nets}
    assert routed_paths(netlist, report, places) == {"adder_0123abcd": 4.0, "core.loader": 6.0}
    with pytest.raises(ToolError, match="no timing of nets"):
        routed_paths(netlist, {}, places)


def part(name: str, delay: float | None) -> Part:
    slowest = None if delay is None else Path(delay=delay)
    return Part(name, "core", "core", 1, Resources(), slowest, slowest)


def test_parts_that_both_know():
    parts = [part("core.loader", 2.0), part("adder_0123abcd", 1.5), part("core", None)]
    found = pairs(parts, {"core.loader": 6.0, "adder_0123abcd": 7.0, "core": 3.0, "other": 9.0})
    assert found == [Pair("adder_0123abcd", 1.5, 7.0), Pair("core.loader", 2.0, 6.0)]


@pytest.mark.parametrize(
    "values, expected",
    [
        ([(1, 10), (2, 20), (3, 25)], 1.0),
        ([(1, 30), (2, 20), (3, 10)], -1.0),
        ([(1, 10), (1, 20), (3, 20)], 0.5),
        ([(1, 10), (1, 20)], 0.0),
        ([], 0.0),
    ],
)
def test_rank_correlation(values: list[tuple[float, float]], expected: float):
    found = [Pair(str(at), *both) for at, both in enumerate(values)]
    assert rank_correlation(found) == pytest.approx(expected)
