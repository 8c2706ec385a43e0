"""UltraScale+ cells as Yosys maps to them: what they use, and their delays.

Delays are assumptions: round figures for speed grade -2, taken neither from a published table nor
from the vendor's speed files. `ASSUMPTIONS` states this in reports.
"""

import re
from collections.abc import Iterator
from typing import Any

from twofold.hw.area.cells.library import (
    Arc,
    Cell,
    Library,
    Netlist,
    bits_of,
    every_arc,
    net_delays,
    wires,
)
from twofold.hw.boards.family import XCUP
from twofold.hw.boards.resources import Resources

ASSUMPTIONS = (
    "assumed -2 cell delays, from no published table; LUT 0.15 ns, clock to"
    " output 0.09 ns, setup 0.05 ns; a net takes 0.30 ns, times the fourth root of its loads;"
    " flip-flops and LUTs with more than 64 loads are taken to be copied; nothing is placed or"
    " routed; LUTs are not packed in pairs"
)
LUT_NS, MUX_NS, CARRY_IN_NS, CARRY_BIT_NS, CARRY_OUT_NS = 0.15, 0.08, 0.20, 0.01, 0.12
NET_NS, NET_POWER, LOADS_MAX = 0.30, 0.25, 64
SETUP_NS = {"FD": 0.05, "DSP48E2": 0.25, "RAMB": 0.25, "URAM288": 0.30, "RAM": 0.20, "SRL": 0.15}
LAUNCH_NS = {"FD": 0.09, "DSP48E2": 0.30, "RAMB": 1.00, "URAM288": 0.50, "RAM": 0.60, "SRL": 0.60}
DSP_UNREGISTERED_NS = {"PREG": 0.6, "MREG": 1.0}
LUT_INPUTS = ("I0", "I1", "I2", "I3", "I4", "I5")
CLOCKS = frozenset({"C", "CLK", "WCLK", "CLKARDCLK", "CLKBWRCLK"})

_RAM_LUTS = {"RAM32M16": 8, "RAM64M8": 8, "RAM32M": 4, "RAM64M": 4, "RAM512X1S": 8}


def resources(kind: str) -> Resources:
    """What one cell of this type uses. An inverter is absorbed into the LUT that it drives."""
    if re.fullmatch(r"LUT[1-6]|SRL16E|SRLC\d+E", kind):
        return Resources(lut=1)
    if kind.startswith("FD"):
        return Resources(ff=1)
    if kind in _RAM_LUTS:
        return Resources(lut=_RAM_LUTS[kind])
    if found := re.fullmatch(r"RAM(\d+)X(\d+)([SD])", kind):
        depth, width, ports = int(found[1]), int(found[2]), 2 if found[3] == "D" else 1
        return Resources(lut=max(1, depth // 64) * width * ports)
    return {
        XCUP.block_ram: Resources(bram36=1),
        XCUP.half_block_ram: Resources(bram36=0.5),
        XCUP.large_ram: Resources(uram=1),
        XCUP.dsp: Resources(dsp=1),
    }.get(kind, Resources())


def taken(netlist: Netlist) -> Resources:
    """What the cells of a netlist use."""
    return sum((resources(cell["type"]) for cell in netlist["cells"].values()), Resources())


def setup(cell: Cell) -> float | None:
    """Setup time of a clocked cell; None for a combinational one."""
    kind = family(cell["type"])
    return None if kind is None else SETUP_NS[kind]


def family(kind: str) -> str | None:
    """Key of a clocked cell in `SETUP_NS` and `LAUNCH_NS`; None for combinational cells."""
    return next((name for name in SETUP_NS if kind.startswith(name)), None)


def launch(cell: Cell) -> float:
    """Clock-to-output time of a clocked cell, given the registers that it uses."""
    kind, parameters = family(cell["type"]), cell.get("parameters", {})
    late = LAUNCH_NS[kind or "FD"]
    if kind == "DSP48E2":
        late += sum(
            delay
            for name, delay in DSP_UNREGISTERED_NS.items()
            if name in parameters and int(str(parameters[name]), 2) == 0
        )
    if kind == "RAMB" and _is_set(parameters, "DOA_REG") and _is_set(parameters, "DOB_REG"):
        return 0.35
    return late


def copied(cell: Cell) -> tuple[int, list[int]] | None:
    """Output and inputs of a flip-flop or a LUT, which physical optimisation copies."""
    if cell["type"].startswith("FD"):
        out, inputs = bits_of(cell, "Q"), bits_of(cell, "D")
    elif cell["type"].startswith("LUT"):
        out, inputs = bits_of(cell, "O"), bits_of(cell, *LUT_INPUTS)
    else:
        return None
    return out[0], list(wires(inputs))


def arcs(cell: Cell) -> Iterator[Arc]:
    """Combinational arcs through a cell."""
    kind, ports = cell["type"], cell["connections"]
    if kind.startswith("CARRY"):
        yield from _carry(ports)
    elif kind.startswith("RAM") and not kind.startswith("RAMB"):
        yield from _lut_ram(ports)
    elif kind.startswith("SRL"):
        addresses = [bit for name, bits in ports.items() if name.startswith("A") for bit in bits]
        yield from every_arc(addresses, ports.get("Q", []), LUT_NS, 1)
    elif kind.startswith("LUT"):
        yield from every_arc(bits_of(cell, *LUT_INPUTS), ports["O"], LUT_NS, 1)
    elif kind.startswith("MUXF"):
        yield from every_arc([*ports["I0"], *ports["I1"]], ports["O"], MUX_NS, 0, direct=True)
        yield from every_arc(ports["S"], ports["O"], MUX_NS, 0)
    elif kind in ("INV", "BUF", "BUFG"):
        yield from every_arc(ports["I"], ports["O"], 0.0, 0, direct=True)


def _is_set(parameters: dict[str, Any], name: str) -> bool:
    return name in parameters and int(str(parameters[name]), 2) == 1


def _carry(ports: dict[str, list[Any]]) -> Iterator[Arc]:
    """Arcs from a bit's inputs to its outputs, and from the carry into a bit to the bit's outputs.

    Signals that enter through S or DI come from the adjacent LUT, without routing.
    """
    into = [*ports.get("CI", []), *ports.get("CYINIT", [])]
    sums, carries = ports.get("O", []), ports.get("CO", [])
    for bit, (select, data) in enumerate(zip(ports["S"], ports["DI"], strict=True)):
        own = [select, data]
        out, carry = sums[bit : bit + 1], carries[bit : bit + 1]
        for source in wires(own):
            for target in wires(out):
                yield Arc(source, target, CARRY_IN_NS, carry=1, direct=True)
            for target in wires(carry):
                yield Arc(source, target, CARRY_IN_NS, carry=1, direct=True)
        for source in wires(into):
            for target in wires(out):
                yield Arc(source, target, CARRY_OUT_NS, carry=1, direct=True)
            for target in wires(carry):
                yield Arc(source, target, CARRY_BIT_NS, carry=1, direct=True)
        into = carry


def _lut_ram(ports: dict[str, list[Any]]) -> Iterator[Arc]:
    """Arcs from the read addresses to the outputs of a memory in LUTs."""
    for name, outputs in ports.items():
        if name.startswith("DO"):
            yield from every_arc(ports.get(f"ADDR{name[2:]}", []), outputs, LUT_NS, 1)
        elif name in ("SPO", "DPO", "O"):
            prefix = "DPRA" if name == "DPO" else "A"
            addresses = [
                bit for port, bits in ports.items() if port.startswith(prefix) for bit in bits
            ]
            yield from every_arc(addresses, outputs, LUT_NS, 1)


net_delay = net_delays(NET_NS, NET_POWER)

LIBRARY = Library(
    assumptions=ASSUMPTIONS,
    clocks=CLOCKS,
    taken=taken,
    arcs=arcs,
    setup=setup,
    launch=launch,
    net=net_delay,
    copied=copied,
    loads_max=LOADS_MAX,
)
