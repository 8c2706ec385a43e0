"""Native Yosys, as the package ``pyosys``: faster than the wheel's, for long syntheses."""

import os
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import appending
from twofold.hw.tools.diagnosis import diagnosis

PACKAGE = "pyosys"
LOG = "yosys.log"
RUNNER = (
    "import sys; from pyosys import libyosys as y; y.run_pass('script ' + sys.argv[1], y.Design())"
)


class SynthesisTimeoutError(ToolError):
    """A synthesis exceeded its timeout."""


def native_version(role: str) -> str:
    """Version of the package; ``role`` is the extra that brings it. Raises ToolError."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError as error:
        raise ToolError(f"pyosys is missing; install the extra named {role}") from error


def run_script(folder: Path, script: str, what: str, seconds: float) -> float:
    """Run a script of ``folder`` there, with its output in `LOG`; returns the processor time that
    it took, in seconds.

    ``what`` names the design in messages. Raises ToolError if it fails, and SynthesisTimeoutError
    if it takes longer than ``seconds``.
    """
    before = _children()
    with appending(folder / LOG) as log:
        try:
            done = subprocess.run(
                [sys.executable, "-c", RUNNER, script],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        except subprocess.TimeoutExpired as error:
            raise SynthesisTimeoutError(
                f"yosys: {what} took longer than {seconds:.0f} s; give it more with --seconds"
            ) from error
    if done.returncode:
        said = (folder / LOG).read_text(errors="replace")
        raise ToolError(f"yosys: {what}: {diagnosis(said, done.returncode)}")
    return _children() - before


def processor_seconds(process: int) -> float:
    """Processor time of a running process so far, in seconds; 0 where the system does not say."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    user, system = status.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _children() -> float:
    """Processor time of all processes that this one has waited for, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
