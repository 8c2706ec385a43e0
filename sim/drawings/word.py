"""A sample on its way through the machine: what each layer leaves of it, and in which cycles."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twofold.hw.contract.machine import Machine
from twofold.hw.solve.timeline import Span, sample_times
from twofold.sim.drawings.sheet import INK, LINE, OWN, SOFT, save, sheet
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.golden.model import Golden, forward


def draw(
    quantized: QuantizedNetwork, machine: Machine, sample: np.ndarray, spoken: str, path: Path
) -> Path:
    """Write the picture of ``sample``, uint8 ``[channels, height, width]``, to ``path``."""
    golden = forward(quantized, sample[None])
    times = sample_times(machine.network, machine.folding)[0]
    figure = sheet(11, 6.2)
    panels, schedule = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    _panels(panels, quantized, golden, sample, spoken)
    _schedule(schedule.subplots(), times.spans, times.latency, machine.name)
    return save(figure, path, machine)


def _panels(
    figure: Any, quantized: QuantizedNetwork, golden: Golden, sample: np.ndarray, spoken: str
) -> None:
    """The input, the activations that are left in each layer, and the outputs."""
    stages = quantized.network.stages
    every = figure.subplots(1, len(stages) + 1)
    _image(every[0], sample[0].T[::-1], f'"{spoken}"\ninput, {sample.size:,} bytes')
    for axes, stage, values in zip(every[1:], stages[:-1], golden.activations, strict=False):
        left, size = int(np.count_nonzero(values[0])), values[0].size
        title = f"{stage.name}: {left:,} of {size:,}\n{100 * left / size:.1f} % are not 0"
        _image(axes, _flat(values[0]), title)
    _outputs(every[-1], quantized, golden)
    for axes, count in zip(every[1:], golden.multiplications[0], strict=True):
        axes.set_xlabel(f"{int(count):,}\nmultiplications", fontsize=8, color=SOFT)


def _flat(values: np.ndarray) -> np.ndarray:
    """Activations ``[channels, rows, columns]`` as one picture: channels as tiles of a square."""
    channels, rows, columns = values.shape
    side = int(np.ceil(np.sqrt(channels)))
    tiles = np.zeros((side * side, rows, columns), values.dtype)
    tiles[:channels] = values
    return tiles.reshape(side, side, rows, columns).swapaxes(1, 2).reshape(side * rows, -1)


def _image(axes: Any, values: np.ndarray, title: str) -> None:
    axes.imshow(values, cmap="Oranges", vmin=0, aspect="equal", interpolation="nearest")
    axes.set_title(title, fontsize=9, color=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_color(LINE)


def _outputs(axes: Any, quantized: QuantizedNetwork, golden: Golden) -> None:
    """Probabilities of the classes."""
    chances = quantized.probabilities(golden.logits[0])
    names = quantized.network.labels
    best = int(chances.argmax())
    colours = [OWN if at == best else SOFT for at in range(len(chances))]
    axes.barh(range(len(chances)), chances, color=colours)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    told = f"{names[best]}, {100 * chances[best]:.0f} %"
    axes.set_title(f"{quantized.network.stages[-1].name}:\n{told}", fontsize=9, color=INK)
    for side in axes.spines.values():
        side.set_visible(False)


def _schedule(axes: Any, spans: Sequence[Span], latency: int, name: str) -> None:
    """What each part of the machine does, over the cycles."""
    for row, span in enumerate(spans):
        width = span.last - span.first + 1
        axes.barh(row, width, left=span.first, color=OWN if "compute" in span.name else SOFT)
        axes.text(span.last + 5, row, span.name, va="center", fontsize=8, color=INK)
    axes.set_yticks([])
    axes.invert_yaxis()
    axes.set_xlim(0, latency * 1.15)
    axes.grid(axis="x", color=LINE)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", colors=SOFT, labelsize=8)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlabel(f"cycles of {name}; result after {latency}", fontsize=9, color=SOFT)
