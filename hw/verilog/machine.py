"""Verilog of a machine, cached by the content of everything that it is made from."""

import json
from collections.abc import Collection, Iterator
from importlib.metadata import version
from pathlib import Path

import twofold.hw
from twofold.hw.contract.cache import cached, digest
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.progress import Report, silent
from twofold.hw.contract.target import Target
from twofold.hw.machine.core import Core
from twofold.hw.tools.yosys import identity
from twofold.hw.verilog.writer import Verilog, read_verilog, write_verilog

OUTSIDE = ("boards", "kernel", "link", "package", "route")
"""Packages of ``hw`` that the core does not depend on."""
OUTSIDE_KERNEL = ("boards", "link", "package", "route")
"""Packages of ``hw`` that the kernel does not depend on."""
OUTSIDE_STATION = ("boards", "kernel", "package", "route")
"""Packages of ``hw`` that a machine behind a serial line does not depend on."""


def core_verilog(
    network: Network,
    folding: Folding,
    build: Path,
    *,
    probes: bool = False,
    target: Target = Target.MODEL,
    report: Report = silent,
) -> Verilog:
    """Verilog of the machine for a network and folding, built at most once for the same sources and
    parameters.

    Parameters
    ----------
    build: directory for generated files; the Verilog goes to its ``verilog/``.
    probes: whether to add observation outputs at the stage boundaries (see `Core`).
    target: what primitives become.

    Raises
    ------
    FoldingError: the folding does not fit the network.
    ToolError: Yosys is missing.
    """
    key = machine_key(network, folding, probes=probes, target=target.value)

    def make(directory: Path) -> None:
        report("elaborate", 0, 1)
        write_verilog(Core(network, folding, probes=probes), directory, target=target)
        report("elaborate", 1, 1)

    return read_verilog(cached(build / "verilog" / f"{network.name}-{key}", make))


def machine_key(
    network: Network,
    folding: Folding,
    outside: Collection[str] = OUTSIDE,
    **flags: bool | str | int,
) -> str:
    """Hash of everything that the Verilog of a machine is made from: sources, tools and parameters.

    ``outside``: packages of ``hw`` to ignore.
    """
    versions = [f"amaranth=={version('amaranth')}", identity()]
    parameters = [fingerprint(network, folding), json.dumps(flags)]
    return digest([*_sources(outside), *versions, *parameters])


def _sources(outside: Collection[str]) -> Iterator[bytes]:
    root = Path(str(twofold.hw.__file__)).parent
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        if name.parts[0] not in outside:
            yield name.as_posix().encode()
            yield path.read_bytes()
