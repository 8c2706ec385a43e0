"""Verilog of a component as a top module, written to a directory together with its port list."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from amaranth import Shape
from amaranth.lib import wiring

from twofold.hw.contract.files import read_json, write_json, write_text
from twofold.hw.contract.target import Target
from twofold.hw.primitives.tile import emit

TOP = "core"


@dataclass(frozen=True)
class Port:
    """A port of the top module other than ``clk`` and ``rst``.

    Attributes
    ----------
    name: name in Verilog: the path of the member, joined by two underscores.
    bits: width.
    into: whether it is an input.
    """

    name: str
    bits: int
    into: bool


@dataclass(frozen=True)
class Verilog:
    """A top module in a file: ``core``, or the kernel.

    Attributes
    ----------
    path: the file; its directory is named after the content.
    ports: ports of the top module, without clock and reset.
    """

    path: Path
    ports: tuple[Port, ...]

    @property
    def text(self) -> str:
        """The Verilog text."""
        return self.path.read_text(encoding="utf-8")


def ports_of(top: wiring.Component) -> Iterator[Port]:
    """Ports that a component has as a top module."""
    for path, member, value in top.signature.flatten(top):
        bits = Shape.cast(value.shape()).width
        if bits:
            yield Port("__".join(map(str, path)), bits, member.flow == wiring.In)


def write_verilog(
    top: wiring.Component, directory: Path, *, target: Target = Target.MODEL
) -> Verilog:
    """Write ``core.v`` and its port list to a directory. Raises ToolError if Yosys is missing."""
    return write_files(directory, emit(top, TOP, target=target), tuple(ports_of(top)))


def write_files(directory: Path, text: str, ports: tuple[Port, ...]) -> Verilog:
    """Write a Verilog text and its port list, for `read_verilog`."""
    write_text(directory / "core.v", text)
    write_json(directory / "ports.json", [asdict(port) for port in ports])
    return Verilog(directory / "core.v", ports)


def read_verilog(directory: Path) -> Verilog:
    """Read what `write_verilog` wrote."""
    listing = read_json(directory / "ports.json")
    return Verilog(directory / "core.v", tuple(Port(**port) for port in listing))
