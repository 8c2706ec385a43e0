"""Synthesis of one part with Yosys, cached by the content of its Verilog."""

import gzip
import json
from pathlib import Path
from typing import Any

from twofold.hw.boards.family import XCUP, Family
from twofold.hw.contract.cache import cached, digest
from twofold.hw.contract.files import write_bytes, write_text
from twofold.hw.contract.target import Target
from twofold.hw.tools.flops import LEGALIZE
from twofold.hw.tools.native import LOG, native_version, run_script
from twofold.hw.tools.text import NUMBER, renumbered

NETLIST = "netlist.json.gz"
SECONDS = 3600
_XCUP = """\
read_verilog -sv part.v
{synthesis} -top {top} -flatten -noiopad -noclkbuf -run begin:map_luts
splitnets -format _SN_
rename -hide w:*
{synthesis} -top {top} -flatten -noiopad -noclkbuf -run map_luts:
write_json netlist.json
"""
"""Wires are split and renamed in between because the technology mapper otherwise chokes on the
names of split memories."""
_ECP5 = f"""\
read_verilog -sv part.v
{{synthesis}} -top {{top}} -noiopad -run begin:map_ram
select {{top}}
write_rtlil -selected part.il
design -reset
read_verilog -lib -specify +/lattice/cells_sim_ecp5.v +/lattice/cells_bb_ecp5.v
read_verilog -sv -lib part.v
delete {{top}}
read_rtlil part.il
{{synthesis}} -top {{top}} -noiopad -run map_ram:map_ffs
opt_clean
{LEGALIZE}
{{synthesis}} -top {{top}} -noiopad -run map_ffs:map_luts
splitnets -format _SN_
rename -hide w:*
{{synthesis}} -top {{top}} -noiopad -run map_luts:
write_json netlist.json
"""
"""The steps of `twofold.hw.route.synthesis`, for a part."""
SCRIPTS = {Target.XCUP: _XCUP, Target.ECP5: _ECP5}
"""Commands that synthesise a part, by target."""


def netlist(
    verilog: str, top: str, build: Path, *, seconds: float = SECONDS, family: Family = XCUP
) -> dict[str, Any]:
    """Netlist of module ``top`` in the cells of a family, as Yosys' JSON.

    Cached under ``build/area``, independent of the rest of the design: see `renumbered`. Raises
    ToolError if Yosys is missing or fails, and SynthesisTimeoutError if it takes longer than
    ``seconds``.
    """
    tool = native_version("area")
    text, numbers = renumbered(verilog)
    script = SCRIPTS[family.target].replace("{synthesis}", family.synthesis)
    key = digest([text, top, script, tool])
    script = script.format(top=_escaped(top))
    folder = cached(
        build / "area" / key, lambda folder: _synthesise(folder, text, top, script, seconds)
    )
    with gzip.open(folder / NETLIST, "rt", encoding="utf-8") as file:
        found = json.load(file)["modules"][top]
    for owner, kind in (
        (found, "ports"),
        *((cell, "connections") for cell in found["cells"].values()),
    ):
        owner[kind] = {
            NUMBER.sub(lambda match: numbers[int(match[0])], name): pin
            for name, pin in owner[kind].items()
        }
    return found


def _synthesise(folder: Path, verilog: str, top: str, script: str, seconds: float) -> None:
    write_text(folder / "part.v", verilog)
    write_text(folder / "part.ys", script)
    run_script(folder, "part.ys", top, seconds)
    written = folder / "netlist.json"
    write_bytes(folder / NETLIST, gzip.compress(written.read_bytes(), 3))
    for name in ("netlist.json", "part.v", "part.il", LOG):
        (folder / name).unlink(missing_ok=True)


def _escaped(name: str) -> str:
    return f"\\{name}" if "." in name else name
