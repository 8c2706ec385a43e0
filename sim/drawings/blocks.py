"""The stages of a machine and what is in them, from the plans of its folding."""

from pathlib import Path
from typing import Any

from twofold.hw.contract.engines import GatherPlan, ScatterPlan
from twofold.hw.contract.folding import Plan, plans
from twofold.hw.contract.machine import Machine
from twofold.sim.drawings.sheet import INK, LINE, OWN, SOFT, save, sheet

STEP, WIDTH, HEIGHT = 3.0, 2.5, 2.0
"""Distance of stages, and the size of one, in the drawing's units."""


def draw(machine: Machine, path: Path) -> Path:
    """Write the picture to ``path``. Raises FileError."""
    found = plans(machine.network, machine.folding)
    figure = sheet(11, 3.4)
    axes = figure.subplots()
    axes.set_axis_off()
    _arrow(axes, -0.9, 0, f"{'x'.join(map(str, machine.network.input_shape))}\nbytes")
    for number, plan in enumerate(found):
        at = STEP * number
        _stage(axes, at, plan)
        _arrow(axes, at + WIDTH, at + STEP, _link(plan))
    axes.set_xlim(-1.0, STEP * len(found) + 0.6)
    axes.set_ylim(-0.9, HEIGHT + 0.7)
    slowest = max(plan.cycles for plan in found)
    axes.set_title(f"{machine.name}: a sample every {slowest:,} cycles", fontsize=10, color=INK)
    return save(figure, path, machine)


def _gather(plan: GatherPlan) -> list[str]:
    folding = plan.folding
    return [f"{folding.rows} x {folding.cols} tiles", f"{folding.streams} streams of (weight, tap)"]


def _scatter(plan: ScatterPlan) -> list[str]:
    folding = plan.folding
    return [
        f"{folding.rows} x {folding.cols} tiles",
        f"{folding.engines} engines x {folding.lanes} lanes",
    ]


_FORMS = {GatherPlan: ("gather", _gather), ScatterPlan: ("scatter", _scatter)}
"""Name of an engine and what its folding says, by its plan."""


def _stage(axes: Any, at: float, plan: Plan) -> None:
    from matplotlib.patches import FancyBboxPatch

    kind, told = _FORMS[type(plan)]
    box = FancyBboxPatch((at, 0), WIDTH, HEIGHT, boxstyle="round,pad=0.04", facecolor="white",
                         edgecolor=OWN, linewidth=1.5)  # fmt: skip
    axes.add_patch(box)
    stage = plan.stage
    lines = [*told(plan), f"{plan.cycles:,} cycles a sample"]
    if stage.k < stage.channels:
        lines.append(f"keeps {stage.k} of {stage.channels:,}")
    middle = at + WIDTH / 2
    axes.text(middle, HEIGHT - 0.3, f"{stage.name}: {kind}", ha="center", color=INK, fontsize=10)
    axes.text(middle, 0.15, "\n".join(lines), ha="center", va="bottom", color=SOFT, fontsize=8)


def _link(plan: Plan) -> str:
    """What leaves a stage."""
    stage = plan.stage
    if stage.last:
        return "outputs,\nlabel"
    return "winners" if stage.k < stage.channels else "activations"


def _arrow(axes: Any, start: float, end: float, text: str) -> None:
    axes.annotate("", (end - 0.06, HEIGHT / 2), (start + 0.06, HEIGHT / 2),
                  arrowprops={"arrowstyle": "->", "color": INK})  # fmt: skip
    axes.text((start + end) / 2, -0.15, text, ha="center", va="top", fontsize=8, color=SOFT)
    axes.plot([(start + end) / 2] * 2, [-0.1, HEIGHT / 2 - 0.1], color=LINE, linewidth=0.8)
