"""Picture of a confusion matrix."""

from pathlib import Path

import numpy as np

from twofold.hw.contract.files import writing
from twofold.sw.evaluate.metrics import Evaluation


def draw_confusion(evaluation: Evaluation, path: Path, title: str) -> None:
    """Write a PNG: rows are true classes, columns are predicted classes, in % of the row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts = evaluation.confusion
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(7, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    ticks = range(len(evaluation.labels))
    axes.set_xticks(ticks, evaluation.labels, rotation=45, ha="right")
    axes.set_yticks(ticks, evaluation.labels)
    axes.set(xlabel="found", ylabel="true", title=title)
    for row, col in np.argwhere(counts > 0):
        colour = "white" if share[row, col] > 50 else "black"
        axes.text(col, row, f"{share[row, col]:.0f}", ha="center", va="center", color=colour)
    with writing(path) as file:
        figure.savefig(file, format="png", dpi=110)
