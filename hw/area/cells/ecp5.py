"""ECP5 cells as Yosys maps to them: what nextpnr makes of them, and their delays.

A LUT is what nextpnr counts as one TRELLIS_COMB. Its packer (``ecp5/pack.cc`` of nextpnr) decides
how many a cell becomes; multiplexers behind LUTs (PFUMX, L6MUX21) take none of their own.
"""

from collections import Counter
from collections.abc import Iterator

from twofold.hw.area.cells.library import (
    Arc,
    Cell,
    Library,
    Netlist,
    bits_of,
    every_arc,
    net_delays,
    never,
    wires,
)
from twofold.hw.boards.family import ECP5
from twofold.hw.boards.resources import Resources

ASSUMPTIONS = (
    "speed grade 6; LUT 0.24 ns, clock to output 0.52 ns and of a block memory with an output"
    " register 0.96 ns as nextpnr reports them; a net takes 0.80 ns, times the fourth root of its"
    " loads, as the slowest branch of routed nets does on average; the rest assumed; nothing is"
    " placed or routed"
)
LUT_NS, MUX_NS, RAM_NS = 0.24, 0.17, 0.24
CARRY_IN_NS, CARRY_BIT_NS, CARRY_OUT_NS = 0.45, 0.07, 0.44
NET_NS, NET_POWER = 0.80, 0.25
SETUP_NS = {"TRELLIS_FF": 0.0, "DP16KD": 0.2, "MULT18X18D": 0.2, "TRELLIS_DPR16X4": 0.0}
LAUNCH_NS = {"TRELLIS_FF": 0.52, "DP16KD": 0.96, "MULT18X18D": 1.0, "TRELLIS_DPR16X4": 0.52}
UNREGISTERED_NS = 5.8
"""Clock to output of a block memory without an output register."""
CLOCKS = frozenset({"CLK", "CLKA", "CLKB", "CLK0", "CLK1", "CLK2", "CLK3", "WCK"})

COMB = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}
"""LUTs of a cell. A memory of 16 words of 4 bits is four, and its write port blocks two more."""
CHAIN_END = 2
"""LUTs that the packer adds at either end of a carry chain: one cell to enter it, one to leave."""


def taken(netlist: Netlist) -> Resources:
    """What the cells of a netlist use."""
    kinds = Counter(cell["type"] for cell in netlist["cells"].values())
    luts = sum(count * kinds[kind] for kind, count in COMB.items())
    return Resources(
        lut=luts + CHAIN_END * _chain_ends(netlist),
        ff=kinds["TRELLIS_FF"],
        bram36=kinds[ECP5.half_block_ram] / 2,
        dsp=kinds[ECP5.dsp],
    )


def _chain_ends(netlist: Netlist) -> int:
    """Places where a carry enters a chain from elsewhere, or leaves it for anything but the next
    cell. The carry out of a chain's last cell is a wire, even if nobody reads it.
    """
    chained = [cell for cell in netlist["cells"].values() if cell["type"] == "CCU2C"]
    carries = {bit for cell in chained for bit in wires(bits_of(cell, "COUT"))}
    chain = Counter(bit for cell in chained for bit in wires(bits_of(cell, "CIN")))
    loads = Counter(
        bit
        for cell in netlist["cells"].values()
        for pin, bits in cell["connections"].items()
        if cell.get("port_directions", {}).get(pin) == "input"
        for bit in bits
        if bit in carries
    )
    loads.update(
        bit
        for port in netlist["ports"].values()
        if port["direction"] == "output"
        for bit in port["bits"]
        if bit in carries
    )
    entered = sum(not carries.issuperset(bits_of(cell, "CIN")) for cell in chained)
    return entered + sum(not chain[bit] == loads[bit] == 1 for bit in carries)


def setup(cell: Cell) -> float | None:
    """Setup time of a clocked cell; None for a combinational one."""
    return SETUP_NS.get(cell["type"])


def launch(cell: Cell) -> float:
    """Clock-to-output time of a clocked cell, given the registers that it uses."""
    if cell["type"] == ECP5.half_block_ram and "NOREG" in cell.get("parameters", {}).values():
        return UNREGISTERED_NS
    return LAUNCH_NS[cell["type"]]


def arcs(cell: Cell) -> Iterator[Arc]:
    """Combinational arcs through a cell."""
    kind = cell["type"]
    if kind == "LUT4":
        yield from every_arc(bits_of(cell, *"ABCD"), bits_of(cell, "Z"), LUT_NS, 1)
    elif kind == "PFUMX":
        own = bits_of(cell, "ALUT", "BLUT")
        yield from every_arc(own, bits_of(cell, "Z"), MUX_NS, 0, direct=True)
        yield from every_arc(bits_of(cell, "C0"), bits_of(cell, "Z"), MUX_NS, 0)
    elif kind == "L6MUX21":
        own = bits_of(cell, "D0", "D1")
        yield from every_arc(own, bits_of(cell, "Z"), MUX_NS, 0, direct=True)
        yield from every_arc(bits_of(cell, "SD"), bits_of(cell, "Z"), MUX_NS, 0)
    elif kind == "TRELLIS_DPR16X4":
        yield from every_arc(bits_of(cell, "RAD"), bits_of(cell, "DO"), RAM_NS, 1)
    elif kind == "CCU2C":
        yield from _carry(cell)


def _carry(cell: Cell) -> Iterator[Arc]:
    """Arcs of two bits of a carry chain; the carry comes from the cell before, without routing."""
    carry, out = bits_of(cell, "CIN"), bits_of(cell, "COUT")
    for at in range(2):
        own = bits_of(cell, *(f"{pin}{at}" for pin in "ABCD"))
        sums = [*bits_of(cell, "S0")] * (at == 0) + bits_of(cell, "S1")
        for source in wires(own):
            for target in wires([*sums, *out]):
                yield Arc(source, target, CARRY_IN_NS, luts=1, carry=2 - at)
    for source in wires(carry):
        for target in wires(bits_of(cell, "S0", "S1")):
            yield Arc(source, target, CARRY_OUT_NS, carry=2, direct=True)
        for target in wires(out):
            yield Arc(source, target, CARRY_BIT_NS, carry=2, direct=True)


LIBRARY = Library(
    assumptions=ASSUMPTIONS,
    clocks=CLOCKS,
    taken=taken,
    arcs=arcs,
    setup=setup,
    launch=launch,
    net=net_delays(NET_NS, NET_POWER),
    copied=never,
    loads_max=0,
)
