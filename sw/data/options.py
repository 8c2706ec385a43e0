"""Where audio is: a folder that is given, else the one that the environment names."""

import os
from pathlib import Path

DATA_VARIABLE = "TWOFOLD_GSC"
"""Environment variable with the folder where none is given."""


def data_folder(given: Path | None) -> Path | None:
    """Folder of audio that the command line gave, else the one that the environment names."""
    named = os.environ.get(DATA_VARIABLE)
    return given or (Path(named) if named else None)
