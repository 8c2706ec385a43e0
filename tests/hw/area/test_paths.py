"""Longest paths of netlists made by hand: LUT levels, carry chains, borders of parts."""

from typing import Any

import pytest

from twofold.hw.area.cells.xcup import CARRY_IN_NS, LUT_NS, SETUP_NS, arcs, net_delay, resources
from twofold.hw.area.paths import Path, analyse, by_delay, by_levels
from twofold.hw.contract.errors import ToolError


def cell(kind: str, outputs: str, **connections: list[Any]) -> dict[str, Any]:
    directions = {name: "output" if name in outputs.split() else "input" for name in connections}
    return {"type": kind, "connections": connections, "port_directions": directions}


def register(d: int, q: int) -> dict[str, Any]:
    return cell("FDRE", "Q", C=[1], D=[d], Q=[q], CE=["1"], R=["0"])


def lut(*inputs: int, out: int) -> dict[str, Any]:
    pins = {f"I{at}": [bit] for at, bit in enumerate(inputs)}
    return cell(f"LUT{len(inputs)}", "O", **pins, O=[out])


def netlist(*cells: dict[str, Any], **ports: tuple[str, list[int]]) -> dict[str, Any]:
    return {
        "ports": {name: {"direction": way, "bits": bits} for name, (way, bits) in ports.items()},
        "cells": {str(at): each for at, each in enumerate(cells)},
    }


def test_chain_of_luts() -> None:
    """register -> 3 LUTs -> register, beside a shorter way."""
    found = analyse(
        netlist(
            register(9, 2),
            lut(2, 2, out=3),
            lut(3, 2, out=4),
            lut(4, 2, out=5),
            register(5, 6),
            register(3, 7),
        ),
        {},
        by_levels,
    ).worst
    assert (found.luts, found.carry) == (3, 0)
    # bit 2 has 4 loads, bit 3 two, bits 4 and 5 one
    nets = net_delay(4) + net_delay(2) + 2 * net_delay(1)
    assert found.delay == pytest.approx(0.09 + nets + 3 * LUT_NS + SETUP_NS["FD"])


def test_cut_at_registers() -> None:
    """Two paths of one LUT each are not one of two."""
    cells = register(9, 2), lut(2, out=3), register(3, 4), lut(4, out=5), register(5, 6)
    assert analyse(netlist(*cells), {}, by_levels).worst.luts == 1


def test_carry_chain() -> None:
    """An adder of eight bits: a LUT, then the chain from its lowest bit to the highest sum."""
    low = cell("CARRY4", "O CO", CI=["0"], CYINIT=["0"], DI=[2, 2, 2, 2], S=[3, 3, 3, 3],
               O=[10, 11, 12, 13], CO=[20, 21, 22, 23])  # fmt: skip
    high = cell("CARRY4", "O CO", CI=[23], CYINIT=["0"], DI=[2, 2, 2, 2], S=[3, 3, 3, 3],
                O=[14, 15, 16, 17], CO=[24, 25, 26, 27])  # fmt: skip
    cells = register(9, 2), lut(2, 2, out=3), low, high, register(17, 30)
    found = analyse(netlist(*cells), {}, by_delay).worst
    assert (found.luts, found.carry) == (1, 8)
    assert found.delay > LUT_NS + CARRY_IN_NS


def test_path_across_the_border_of_a_part() -> None:
    """One LUT before the border and two behind it are three."""
    inner = netlist(
        lut(2, out=3), lut(3, out=4), register(4, 5), lut(5, out=6),
        i=("input", [2]), o=("output", [6]), other=("input", [7]), way=("output", [8]),
    )  # fmt: skip
    inner["cells"]["through"] = lut(7, out=8)
    part = analyse(inner, {}, by_levels).interface
    assert part.captures["i", 0].luts == 2
    assert part.launches["o", 0].luts == 1
    assert part.through == {(("other", 0), ("way", 0)): part.through[("other", 0), ("way", 0)]}
    outer = netlist(
        register(90, 20),
        lut(20, out=21),
        cell("inner", "o way", i=[21], o=[22], other=[22], way=[23]),
        lut(23, out=24),
        register(24, 25),
    )
    assert analyse(outer, {"inner": part}, by_levels).worst.luts == 3
    shorter = netlist(register(90, 20), cell("inner", "o way", i=[20], o=[22]))
    assert analyse(shorter, {"inner": part}, by_levels).worst.luts == 2


def test_loop() -> None:
    cells = lut(2, 3, out=4), lut(4, out=3), register(9, 2)
    with pytest.raises(ToolError, match="combinational loop"):
        analyse(netlist(*cells), {}, by_levels)


def test_lut_ram_reads_through_a_lut() -> None:
    """Only the address of a port leads to its output; writing ends at the memory."""
    ram = cell("RAM32M16", "DOA DOB", ADDRA=[2], ADDRB=[3], ADDRH=[4], DIA=[5], WE=[6], WCLK=[1],
               DOA=[7], DOB=[8])  # fmt: skip
    assert {(arc.source, arc.target) for arc in arcs(ram)} == {(2, 7), (3, 8)}
    found = analyse(netlist(register(9, 2), ram, register(7, 10)), {}, by_levels).worst
    assert found.luts == 1


def test_unregistered_multiplier_is_slow() -> None:
    fast = cell("DSP48E2", "P", A=[9], P=[2])
    slow = fast | {"parameters": {"PREG": "0", "MREG": "0"}}
    delays = [
        analyse(netlist(each, register(2, 3)), {}, by_delay).worst.delay for each in (fast, slow)
    ]
    assert delays[1] > delays[0] + 1


def test_nothing_clocked() -> None:
    assert analyse(netlist(lut(2, out=3)), {}, by_levels).worst == Path()


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        ("LUT6", {"lut": 1}),
        ("SRL16E", {"lut": 1}),
        ("RAM32M16", {"lut": 8}),
        ("RAM64X1D", {"lut": 2}),
        ("RAM128X1D", {"lut": 4}),
        ("FDSE", {"ff": 1}),
        ("RAMB18E2", {"bram36": 0.5}),
        ("URAM288", {"uram": 1}),
        ("DSP48E2", {"dsp": 1}),
        ("INV", {}),
    ],
)
def test_resources_of_cells(kind: str, taken: dict[str, float]) -> None:
    found = {name: value for name, value in resources(kind).as_dict().items() if value}
    assert found == taken
