"""The option of a command line that says where audio is."""

import argparse
import os
from pathlib import Path

DATA_VARIABLE = "TWOFOLD_GSC"
"""Environment variable with the folder where none is given."""


def add_data(parser: argparse.ArgumentParser, otherwise: str = "rendered speech") -> None:
    """Declare ``--data``; ``otherwise`` says what is taken without a folder, if anything."""
    default = f"${DATA_VARIABLE}" + (f", else {otherwise}" if otherwise else "")
    parser.add_argument(
        "--data", type=Path, help=f"folder of Google Speech Commands (default: {default})"
    )


def data_folder(given: Path | None) -> Path | None:
    """Folder of audio that the command line gave, else the one that the environment names."""
    named = os.environ.get(DATA_VARIABLE)
    return given or (Path(named) if named else None)
