"""Where audio is, and at which rates: what the options of a command need to know of it."""

import os
from pathlib import Path

DATA_VARIABLE = "TWOFOLD_GSC"
"""Environment variable with the folder where none is given."""
RATE = 16_000
"""Samples a second of everything behind `twofold.sw.data.audio`."""
RATES = (4_000, 192_000)
"""Least and most samples a second of what is read."""


def data_folder(given: Path | None) -> Path | None:
    """Folder of audio that the command line gave, else the one that the environment names."""
    named = os.environ.get(DATA_VARIABLE)
    return given or (Path(named) if named else None)
