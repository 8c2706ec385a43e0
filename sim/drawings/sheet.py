"""A drawing as a PNG that says which machine it shows."""

from pathlib import Path
from typing import Any

from twofold.hw.contract.files import writing
from twofold.hw.contract.machine import Machine

SHOWS = "Twofold-Machine"
"""Field of the PNG's metadata with the fingerprint of the machine that it shows."""
INK, SOFT, OWN, LINE = "#1b1f24", "#5b6570", "#c2410c", "#d9dee3"
DPI = 110


def sheet(width: float, height: float) -> Any:
    """An empty figure on white, in inches; it reads the same on light and dark pages."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Any, path: Path, machine: Machine) -> Path:
    """Write the PNG. Raises FileError."""
    metadata = {SHOWS: machine.fingerprint.hex(), "Software": None}
    with writing(path) as file:
        figure.savefig(file, format="png", dpi=DPI, metadata=metadata)
    return path
