"""The first chart as a PNG for README, in a light and a dark version."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twofold.hw.contract.cache import digest
from twofold.hw.contract.files import writing
from twofold.sw.report import card
from twofold.sw.report.equal import shares
from twofold.sw.report.inputs import Inputs
from twofold.sw.report.speeds import Speed, as_json, speeds

SHOWS = "Twofold-Figures"
"""Field of the PNG's metadata with the digest of the figures that it shows."""


@dataclass(frozen=True)
class Theme:
    """Colours of a version."""

    name: str
    ink: str
    soft: str
    line: str
    paper: str
    own: str
    others: str


THEMES = (
    Theme("light", "#1b1f24", "#5b6570", "#d9dee3", "#ffffff", "#c2410c", "#4b6b93"),
    Theme("dark", "#e6e9ed", "#9ba5b0", "#343a42", "#0d1117", "#fb923c", "#8fb0dc"),
)


def figures_digest(inputs: Inputs) -> str:
    """Digest of everything that the chart shows."""
    found = speeds(inputs)
    told = [shares(inputs, speed.network) for speed in found]
    return digest([repr(as_json(found)), repr(told)])


def draw(inputs: Inputs, folder: Path, theme: Theme) -> Path:
    """Write ``speed-THEME.png`` into ``folder``; returns its path. Raises FileError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = speeds(inputs)
    figure = Figure(figsize=(9, 0.8 + 0.62 * len(found)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.set_facecolor(theme.paper)
    axes = figure.subplots()
    _axes(axes, theme, found, [_label(inputs, speed) for speed in found])
    for row, speed in enumerate(found):
        _dots(axes, theme, row, speed)
    path = folder / f"speed-{theme.name}.png"
    with writing(path) as file:
        metadata = {SHOWS: figures_digest(inputs), "Software": None}
        figure.savefig(file, format="png", dpi=110, metadata=metadata)
    return path


def _label(inputs: Inputs, speed: Speed) -> str:
    what = f"{speed.step}: {speed.where}"
    return f"{what}\n{speed.network}, {shares(inputs, speed.network)}"


def _axes(axes: Any, theme: Theme, found: Sequence[Speed], labels: Sequence[str]) -> None:
    axes.set_facecolor(theme.paper)
    axes.set_xscale("log")
    axes.set_yticks(range(len(found)), labels, fontsize=8.5, color=theme.ink)
    axes.invert_yaxis()
    axes.margins(x=0.12, y=0.08)
    axes.grid(axis="x", color=theme.line)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", which="both", colors=theme.soft)
    axes.tick_params(axis="y", length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    on_gpu = any(speed.gpu for speed in found)
    axes.set_xlabel(
        f"words a second: one core measured, one unit simulated (full); {card.CORES} cores or a "
        f"card extrapolated (hollow){'; a whole GPU measured' if on_gpu else ''}",
        fontsize=8.5, color=theme.soft,
    )  # fmt: skip


def _dots(axes: Any, theme: Theme, row: int, speed: Speed) -> None:
    colour = theme.own if speed.own else theme.others
    beyond = () if speed.gpu else (speed.whole,)
    axes.plot([speed.rate, speed.whole], [row, row], color=colour, linewidth=1.2, zorder=2)
    axes.plot(speed.rate, row, "o", color=colour, markersize=9, zorder=3)
    for value in beyond:
        axes.plot(value, row, "o", markerfacecolor=theme.paper, markeredgecolor=colour,
                  markersize=9, zorder=3)  # fmt: skip
    for value in (speed.rate, *beyond):
        axes.annotate(f"{value:,.0f}", (value, row), xytext=(0, 8), textcoords="offset points",
                      ha="center", fontsize=8, color=theme.ink)  # fmt: skip
