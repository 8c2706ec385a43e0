"""Runs the vendor's tools in a folder, one step after another."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from twofold.hw.contract.errors import ToolError
from twofold.hw.package.scripts import BINARY, LINKED, OBJECT

PROGRAMS = ("vivado", "v++", "make")
ERROR = re.compile(r"^\s*(ERROR|CRITICAL WARNING|FATAL)\b|\bError\b")


@dataclass(frozen=True)
class Step:
    """A build step.

    Attributes
    ----------
    name: name of the step, for messages.
    target: file that it produces.
    log: file that its output goes to.
    """

    name: str
    target: str
    log: str


STEPS = (
    Step("package", OBJECT, "package.log"),
    Step("link", LINKED, "link.log"),
    Step("describe", BINARY, "describe.log"),
)


def check_tools(folder: Path) -> None:
    """Raise ToolError if a program that the build needs is not on PATH."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise ToolError(
            f"not on PATH: {', '.join(missing)}; source Vitis' settings64.sh, or copy {folder} to a"
            " machine that has Vitis and run `make` in it"
        )


def build(folder: Path, say: Callable[[str], None]) -> Path:
    """Build the bitstream in a folder, starting with the first step that is not done.

    ``say`` is called for every step, with its time and log file. Returns the path of the bitstream.
    Raises ToolError if a tool is missing or a step fails.
    """
    check_tools(folder)
    for number, step in enumerate(STEPS, 1):
        say(f"[{number}/{len(STEPS)}] {step.name}: log in {folder / step.log}")
        started = time.monotonic()
        command = ["make", "--no-print-directory", "-C", str(folder), step.target]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ToolError(f"{step.name} failed: {_reason(folder / step.log, done.stderr)}")
        say(f"[{number}/{len(STEPS)}] {step.name}: done in {time.monotonic() - started:.0f} s")
    return folder / BINARY


def _reason(log: Path, fallback: str) -> str:
    """First line of a log that reports an error, and where to find the rest.

    A message from the step itself, such as tools that do not support the board, takes precedence.
    """
    said = [line.strip() for line in fallback.splitlines() if line.startswith("ERROR")]
    if said:
        return said[0]
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    errors = [line.strip() for line in lines if ERROR.search(line)]
    reason = (errors or lines[-1:] or fallback.split("\n") or ["no output"])[0]
    return f"{reason} (see {log})"
