"""The vendor's simulation models of its cells, where the user has them. No part of this project."""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from twofold.hw.contract.cache import cached, digest
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import read_bytes, write_text

VARIABLE, VIVADO_VARIABLE = "TWOFOLD_UNISIM", "XILINX_VIVADO"
IN_VIVADO = Path("data/verilog/src")
CELLS = ("DSP48E2", "URAM288", "RAM32M16", "RAM32M")
"""Cells that machines are written with."""
UNDRIVEN = re.compile(r"\(\s*\w+(?:\[\w+\])?\s*([=!])==\s*1'bz\s*\)")
GLOBAL_RESET = "module glbl;\n  wire GSR = 1'b0;\nendmodule\n"
LARGEST = 1 << 22
"""Maximum bytes of a model."""


@dataclass(frozen=True)
class CellModels:
    """Verilog models of the cells.

    Attributes
    ----------
    folder: with a file for each cell, as in ``DSP48E2.v``.
    """

    folder: Path

    def flags(self, build: Path) -> tuple[str, ...]:
        """Arguments for Verilator, which leaves out the models' delays.

        It knows no undriven pins, so the models' questions whether one is are answered in a copy in
        ``build``: all pins of our cells are driven. Raises FileError.
        """

        def make(directory: Path) -> None:
            for name, text in self._texts.items():
                write_text(directory / name, text)

        copied = cached(build / "unisim" / self.key, make)
        return ("-Wno-TIMESCALEMOD", "-y", str(copied.absolute()))

    @cached_property
    def key(self) -> str:
        """Hash of the models. Raises FileError."""
        return digest(self._texts.values())

    @cached_property
    def _texts(self) -> dict[str, str]:
        found = {}
        for cell in CELLS:
            name = f"{cell}.v"
            text = read_bytes(self.folder / name, LARGEST).decode(errors="replace")
            found[name] = UNDRIVEN.sub(lambda asked: f"(1'b{int(asked[1] == '!')})", text)
        return found


def with_global_reset(verilog: str, top: str) -> str:
    """Verilog whose module ``top`` has what the models look for: the global reset of the device's
    configuration, which is over.
    """
    header = re.search(rf"^module {re.escape(top)}\(.*?\);", verilog, re.MULTILINE | re.DOTALL)
    if header is None:
        raise ToolError(f"the Verilog has no module {top}")
    instance = "\n  glbl glbl();"
    return f"{verilog[: header.end()]}{instance}{verilog[header.end() :]}\n{GLOBAL_RESET}"


def find_models() -> CellModels:
    """The models in the folder that ``TWOFOLD_UNISIM`` names, else those of the Vivado that
    ``XILINX_VIVADO`` does. Raises ToolError.
    """
    own, vivado = os.environ.get(VARIABLE), os.environ.get(VIVADO_VARIABLE)
    if not own and not vivado:
        raise ToolError(
            f"the vendor's cell models are not here: set {VARIABLE} to a folder with DSP48E2.v (as "
            f"in AMD's public XilinxUnisimLibrary), or {VIVADO_VARIABLE} to a Vivado"
        )
    root = Path(own) if own else Path(str(vivado)) / IN_VIVADO
    for folder in (root, root / "unisims", root / "verilog/src/unisims"):
        if all((folder / f"{cell}.v").is_file() for cell in CELLS):
            return CellModels(folder)
    raise ToolError(
        f"{VARIABLE if own else VIVADO_VARIABLE}: no {', '.join(f'{cell}.v' for cell in CELLS)} in "
        f"{root} or its unisims"
    )
