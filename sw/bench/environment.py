"""Virtual environment for DeepSparse, whose packages conflict with the project's."""

import subprocess
import sys
import venv
from pathlib import Path

from twofold.hw.contract.cache import cached, digest
from twofold.hw.contract.errors import ToolError

PACKAGES = ("deepsparse==1.8.0", "numpy==1.26.4", "onnx==1.14.1")
"""The last version that installs; it gives wrong results with NumPy 2."""
LICENCE = (
    "DeepSparse 1.8.0 is not free software: its community licence allows evaluation only. "
    "It is installed into an environment of its own, with its reports over the network off."
)


def ready(folder: Path) -> Path | None:
    """The interpreter of the environment under ``folder``; None if it does not exist."""
    found = _interpreter(_place(folder))
    return found if found.exists() else None


def create(folder: Path) -> Path:
    """Create the environment in ``folder`` once, and return its interpreter. Raises ToolError."""
    if sys.version_info >= (3, 12):
        raise ToolError("DeepSparse 1.8.0 needs Python below 3.12; leave it out")

    def make(scratch: Path) -> None:
        venv.create(scratch, with_pip=True)
        command = [_interpreter(scratch), "-m", "pip", "install", "--quiet", *PACKAGES]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        if found.returncode:
            reason = (found.stderr.strip().splitlines() or ["no message"])[-1]
            raise ToolError(f"DeepSparse cannot be installed: {reason}")

    return _interpreter(cached(_place(folder), make))


def _place(folder: Path) -> Path:
    return folder / f"deepsparse-{digest([sys.version, *PACKAGES])}"


def _interpreter(folder: Path) -> Path:
    return folder.absolute() / "bin" / "python"
