"""Longest paths of netlists made by hand: LUT levels, carry chains, borders of parts."""

from typing import Any

import pytest

from twofold.hw.area.cells.xcup import (
    CARRY_IN_NS,
    LAUNCH_NS,
    LOADS_MAX,
    LUT_NS,
    SETUP_NS,
    arcs,
    net_delay,
    resources,
)
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
    assert part.captures[""]["i", 0].luts == 2
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


def test_loads_inside_of_parts_count() -> None:
    """A register drives three pins inside of each of two parts, and one beside them."""
    inner = netlist(
        lut(2, out=3), lut(2, out=4), lut(2, 3, 4, out=5), register(5, 6), i=("input", [2])
    )
    part = analyse(inner, {}, by_delay).interface
    assert part.loads == {("i", 0): 3}
    instance = cell("inner", "", i=[20])
    outer = netlist(register(90, 20), instance, instance, register(20, 21))
    found = analyse(outer, {"inner": part}, by_delay).worst
    inside = net_delay(1) * 2 + LUT_NS * 2 + SETUP_NS["FD"]
    assert found.delay == pytest.approx(0.09 + net_delay(7) + inside)


def test_loads_inside_count_for_an_output_too() -> None:
    """What a part reads of its own output hangs on the same net as what others read of it."""
    inner = netlist(
        register(5, 2), register(2, 3), register(2, 4), o=("output", [2]), i=("input", [5])
    )
    part = analyse(inner, {}, by_delay).interface
    assert part.loads == {("o", 0): 2, ("i", 0): 1} and part.copied == {("o", 0)}
    found = analyse(
        netlist(cell("inner", "o", o=[2], i=[9]), register(2, 6)), {"inner": part}, by_delay
    )
    assert found.worst.delay == pytest.approx(0.09 + net_delay(3) + SETUP_NS["FD"])


@pytest.mark.parametrize(("copies", "loads"), [(True, LOADS_MAX), (False, 100)])
def test_flip_flops_are_copied(copies: bool, loads: int) -> None:
    sinks = [register(2, 10 + at) for at in range(100)]
    found = analyse(netlist(register(9, 2), *sinks), {}, by_delay, copies=copies).worst
    assert found.delay == pytest.approx(0.09 + net_delay(loads) + SETUP_NS["FD"])


def test_copies_are_loads() -> None:
    """A LUT in front of a flip-flop with 640 loads drives ten copies of it."""
    sinks = [register(4, 10 + at) for at in range(10 * LOADS_MAX)]
    found = analyse(netlist(register(9, 2), lut(2, out=3), register(3, 4), *sinks), {}, by_delay)
    through = net_delay(1) + LUT_NS + net_delay(10)
    assert found.worst.delay == pytest.approx(
        0.09 + max(through, net_delay(LOADS_MAX)) + SETUP_NS["FD"]
    )


def test_a_ring_of_copied_flip_flops() -> None:
    """Copies of copies end: a shift register that feeds itself, with many loads at each stage."""
    ring = [register(2, 3), register(3, 4), register(4, 2)]
    sinks = [register(2 + at % 3, 10 + at) for at in range(300)]
    found = analyse(netlist(*ring, *sinks), {}, by_delay).worst
    assert found.delay == pytest.approx(0.09 + net_delay(LOADS_MAX) + SETUP_NS["FD"])


def test_other_drivers_are_not_copied() -> None:
    """The output of a shift register in a LUT is no flip-flop."""
    shifts = cell("SRL16E", "Q", D=[9], Q=[2], CLK=[1], CE=["1"], A0=["1"])
    sinks = [register(2, 10 + at) for at in range(100)]
    found = analyse(netlist(shifts, *sinks), {}, by_delay).worst
    assert found.delay == pytest.approx(LAUNCH_NS["SRL"] + net_delay(100) + SETUP_NS["FD"])


def test_a_path_belongs_to_the_part_in_which_it_ends() -> None:
    """Three LUTs into a register two borders down; one LUT from there into one of the outermost."""
    deep = netlist(
        lut(2, out=3), register(3, 4), register(5, 6), i=("input", [2]), o=("output", [6])
    )
    parts = {"deep": analyse(deep, {}, by_levels, name="deep").interface}
    middle = netlist(
        lut(2, out=3), cell("deep", "o", i=[3], o=[4]), i=("input", [2]), o=("output", [4])
    )
    parts["middle"] = analyse(middle, parts, by_levels, name="middle").interface
    outer = netlist(
        register(90, 20), lut(20, out=21), cell("middle", "o", i=[21], o=[22]),
        lut(22, out=23), register(23, 24),
    )  # fmt: skip
    found = analyse(outer, parts, by_levels, name="outer")
    assert {name: path.luts for name, path in found.ends.items()} == {"deep": 3, "outer": 1}
    assert found.worst.luts == 3
