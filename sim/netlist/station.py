"""The netlist of a whole board, pins and clock included, in place of the station in simulation."""

from pathlib import Path

from twofold.hw.contract.cache import cached, digest
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import read_json, write_bytes, write_text
from twofold.hw.route.synthesis import ROLE, SECONDS, Netlist
from twofold.hw.route.top import TOP
from twofold.hw.tools.native import native_version, run_script
from twofold.hw.verilog.station import MACHINE
from twofold.hw.verilog.writer import Port, Verilog, read_verilog, write_files
from twofold.sim.netlist import CELLS

SCRIPT = """\
read_json netlist.json
delete */t:$scopeinfo
chtype -set TRELLIS_IN t:TRELLIS_IO r:DIR=INPUT %i
chtype -set TRELLIS_OUT t:TRELLIS_IO r:DIR=OUTPUT %i
write_verilog -noattr netlist.v
"""
"""Buffers of pins become cells with one direction: Verilator takes no input of a design at a port
that can be driven.
"""
PORTS = (Port("rx", 1, True), Port("tx", 1, False))
PINS = {"clk": "clk", "rx": "rx", "tx": "tx"}
"""Ports of the station, and what the name of the pin has in it that is the port."""


def netlist_verilog(netlist: Netlist, build: Path) -> Verilog:
    """Verilog of a netlist with models of its cells, made at most once, with the station's ports.

    It resets itself, as on the board. Raises ToolError if Yosys is missing or fails.
    """
    content, cells = netlist.path.read_bytes(), CELLS.read_text(encoding="utf-8")
    key = digest([content, cells, SCRIPT, native_version(ROLE)])

    def make(folder: Path) -> None:
        write_bytes(folder / "netlist.json", content)
        write_text(folder / "netlist.ys", SCRIPT)
        run_script(folder, "netlist.ys", TOP, SECONDS)
        pins = read_json(folder / "netlist.json")["modules"][TOP]["ports"]
        design = (folder / "netlist.v").read_text(encoding="utf-8")
        write_files(folder, cells + design + _station(list(pins)), PORTS)
        for name in ("netlist.json", "netlist.v"):
            (folder / name).unlink()

    return read_verilog(cached(build / "verilog" / f"netlist-{key}", make))


def with_cells(verilog: Verilog, build: Path) -> Verilog:
    """Verilog for the ECP5 with models of its cells, before synthesis."""
    text = CELLS.read_text(encoding="utf-8") + verilog.text

    def make(folder: Path) -> None:
        write_files(folder, text, verilog.ports)

    return read_verilog(cached(build / "verilog" / f"cells-{digest([text])}", make))


def _station(pins: list[str]) -> str:
    """Verilog of a module with the ports of the station around the design."""
    bound: list[str] = []
    for port, part in PINS.items():
        found = [pin for pin in pins if part in pin]
        if len(found) != 1:
            raise ToolError(f"netlist: pins {', '.join(pins)}, one of which has to be {port}")
        bound.append(f".{found[0]}({port})")
    return (
        f"module {MACHINE}(input clk, rst, rx, output tx);\n"
        f"  {TOP} board({', '.join(bound)});\nendmodule\n"
    )
