"""Tiles: components that are written to Verilog once and instantiated by name.

Amaranth writes every instance of a submodule as a module of its own; a field of hundreds of
identical tiles would be written, compiled and optimised hundreds of times. A `Tile` becomes one
module for each distinct set of parameters. In Amaranth's simulator, which does not support foreign
modules, it is elaborated in place.
"""

import hashlib
import re
from abc import abstractmethod
from collections.abc import Hashable
from importlib import import_module
from typing import ClassVar

from amaranth.hdl import *
from amaranth.lib import wiring

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.target import Target
from twofold.hw.tools.yosys import find_yosys, reason, run_yosys

rtlil = import_module("amaranth.back.rtlil")  # the type stubs leave it out

FORGOTTEN = ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding")
"""Attributes that do not affect the hardware."""


class VerilogPlatform:
    """Elaboration target of `emit`: collects the modules of the tiles as they are elaborated.

    Parameters
    ----------
    target: what primitives become.

    Attributes
    ----------
    modules: RTLIL text by module name, including the submodules of the module; a module comes after
        those that it instantiates.
    """

    def __init__(self, *, target: Target = Target.MODEL) -> None:
        self.target = target
        self.modules: dict[str, str] = {}
        self._writing: list[wiring.Component] = []

    def is_written(self, component: wiring.Component) -> bool:
        """Whether ``component`` is the module being written, rather than a part of it."""
        return bool(self._writing) and self._writing[-1] is component

    def write(self, component: wiring.Component, name: str) -> None:
        """Convert ``component`` to the module ``name``."""
        self._writing.append(component)
        try:
            self.modules[name] = rtlil.convert(component, name=name, platform=self, emit_src=False)
        finally:
            self._writing.pop()

    def instance(self, tile: "Tile") -> Instance:
        """Instance of ``tile``; writes its module first, unless an equal tile's was written."""
        name = tile.module_name
        if name not in self.modules:
            self.write(tile, name)
        ports: dict[str, Value] = {}
        for path, member, port in tile.signature.flatten(tile):
            direction = "i" if member.flow == wiring.In else "o"
            ports[f"{direction}_{'__'.join(map(str, path))}"] = Value.cast(port)
        declared = _inputs_and_outputs(self.modules[name], name)
        clocking = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        every = {port: value for port, value in (ports | clocking).items() if port[2:] in declared}
        return Instance(name, **every)


class Tile(wiring.Component):
    """Component that becomes one Verilog module, however often it is used.

    A subclass implements `build` in place of ``elaborate``, and `parameters`. Ports of the instance
    follow from the signature; clock and reset are those of the surrounding ``sync`` domain.

    Attributes
    ----------
    APART_IN_SIMULATION: whether it is a module of its own in simulation Verilog too, or only for
        synthesis, which then sees each one once. Small tiles inside larger ones simulate faster
        inlined.
    """

    APART_IN_SIMULATION: ClassVar[bool] = True

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
        if not isinstance(platform, VerilogPlatform) or platform.is_written(self):
            return self.build(platform)
        apart = self.APART_IN_SIMULATION or not simulated(platform)
        return platform.instance(self) if apart else self.build(platform)


def target_of(platform: object) -> Target:
    """What primitives become; in Amaranth's own simulator, models."""
    return platform.target if isinstance(platform, VerilogPlatform) else Target.MODEL


def simulated(platform: object) -> bool:
    """Whether the hardware is for simulation, which also checks protocols; synthesis supports no
    assertions.
    """
    return target_of(platform) is Target.MODEL


def emit(top: wiring.Component, name: str, *, target: Target = Target.MODEL) -> str:
    """Verilog of ``top`` as module ``name``, with each distinct tile in it once, before its users.

    All modules go through Yosys in a single run. Raises ToolError without Yosys, or when its output
    does not contain all of them.
    """
    platform = VerilogPlatform(target=target)
    platform.write(top, name)
    verilog = _run_yosys("".join(platform.modules.values()), target)
    order = {module: at for at, module in enumerate(platform.modules)}
    texts = re.findall(r"^(?:\(\*.*?\*\)\n)*module .*?^endmodule\n", verilog, re.M | re.S)
    owners = [re.search(r"^module \\?([^\s(.]+)", text, re.M) for text in texts]
    missing = order.keys() - {owner[1] for owner in owners if owner}
    if missing:
        raise ToolError(
            f"yosys: {find_yosys()} wrote {len(texts)} of {len(order)} modules, not "
            f"{min(missing)}; is it Yosys?"
        )
    numbered = zip((order[owner[1]] for owner in owners if owner), texts, strict=True)
    return "\n".join(text for _, text in sorted(numbered, key=lambda pair: pair[0]))


_ZEROS = re.compile(
    r"^ *cell \$meminit_v2 (?:(?! *end$).*\n)*? *connect \\DATA \d+'0+\n(?:.*\n)*? *end\n",
    re.M,
)
"""The initial zeros of a memory in RTLIL. Other content is a table that is never written."""


def _inputs_and_outputs(text: str, module: str) -> set[str]:
    """Names of the ports of an RTLIL module."""
    body = re.search(rf"^module \\{module}$(.*?)^end$", text, re.M | re.S)
    ports = r"^\s+wire .*?\b(?:input|output) \d+ .*?\\(\S+)$"
    return set(re.findall(ports, body[1], re.M)) if body else set()


def _run_yosys(text: str, target: Target) -> str:
    """Verilog of RTLIL modules, by the same passes that Amaranth uses.

    Memories are written before they are read. Without their initial zeros, which take synthesis
    for the ECP5 a minute to map for a whole machine, it is free in its choice of cells.
    """
    forgotten = " ".join(f"-remove {name}" for name in FORGOTTEN)
    text = _ZEROS.sub("", text) if target is Target.ECP5 else text
    script = (
        f"read_rtlil <<rtlil\n{text}\nrtlil\nproc -nomux -norom\nmemory_collect\n"
        f"attrmap {forgotten}\nattrmap -modattr {forgotten}\nwrite_verilog -norename\n"
    )
    done = run_yosys("-q", "-", script=script)
    if done.returncode:
        raise ToolError(f"yosys failed: {reason(done)}")
    return done.stdout
