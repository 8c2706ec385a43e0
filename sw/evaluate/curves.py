"""Picture of misses against false alarms."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from twofold.hw.contract.files import writing
from twofold.sw.evaluate.spotting import Point


def draw_curves(
    panels: Mapping[str, Mapping[str, Sequence[Point]]], path: Path, title: str
) -> None:
    """Write a PNG: a panel for each recording, in it a line for each network."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1 + 4 * len(panels), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, lines) in zip(row, panels.items(), strict=True):
        for network, points in lines.items():
            alarms = [one.alarm_rate for one in points]
            axes.plot(alarms, [100 * one.miss_rate for one in points], ".-", label=network)
        axes.set_xscale("symlog", linthresh=3)
        axes.set(title=name, xlabel="false alarms an hour", ylim=(0, 100), xlim=(0, None))
        axes.grid(alpha=0.3)
    row[0].set(ylabel="words missed, %")
    row[-1].legend()
    figure.suptitle(title)
    with writing(path) as file:
        figure.savefig(file, format="png", dpi=110)
