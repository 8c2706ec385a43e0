"""Reports of trials: JSON, a Markdown table and a plot."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev

from twofold.hw.contract.files import write_json, write_text, writing
from twofold.sw.train.explore.trials import Figure


def as_markdown(figures: Sequence[Figure], title: str) -> str:
    """A table, with mean and standard deviation of trials that differ only in their seed."""
    lines = [
        f"# {title}",
        "",
        "| trial | epochs | val, % | test, % | multiplications | cycles |",
        "|---|---|---|---|---|---|",
        *(
            f"| {figure.name} | {figure.epochs} | {100 * figure.val:.2f} | {100 * figure.test:.2f} "
            f"| {figure.products:,} | {figure.cycles} |"
            for figure in figures
        ),
        *_spreads(figures),
    ]
    return "\n".join(lines) + "\n"


def _spreads(figures: Sequence[Figure]) -> list[str]:
    groups: defaultdict[str, list[Figure]] = defaultdict(list)
    for figure in figures:
        name, seeded, _ = figure.name.partition(", seed ")
        if seeded:
            groups[name].append(figure)
    return [
        f"| **{name}, {len(group)} seeds** | {group[0].epochs} | {_spread([f.val for f in group])} "
        f"| {_spread([f.test for f in group])} | {group[0].products:,} | {group[0].cycles} |"
        for name, group in groups.items()
        if len(group) > 1
    ]


def _spread(shares: Sequence[float]) -> str:
    return f"{100 * mean(shares):.2f} +- {100 * stdev(shares):.2f}"


def write(figures: Sequence[Figure], folder: Path, study: str) -> None:
    """Write ``STUDY.json``, ``STUDY.md`` and, if the trials differ in work, ``STUDY.png``."""
    write_json(folder / f"{study}.json", [asdict(figure) for figure in figures])
    text = as_markdown(figures, f"{study}: {figures[0].epochs} epochs a student")
    write_text(folder / f"{study}.md", text)
    if len({figure.products for figure in figures}) > 2:
        draw(figures, folder / f"{study}.png")


def draw(figures: Sequence[Figure], path: Path) -> None:
    """Plot validation accuracy against multiplications and against cycles, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(12, 5), layout="constrained")
    FigureCanvasAgg(picture)
    work, time = picture.subplots(1, 2, sharey=True)
    for number, figure in enumerate(figures, 1):
        for axes, cost in ((work, figure.products), (time, figure.cycles)):
            axes.plot(cost, 100 * figure.val, "o", label=f"{number}: {figure.name}")
            axes.annotate(str(number), (cost, 100 * figure.val), xytext=(4, 4),
                          textcoords="offset points")  # fmt: skip
    work.set(xscale="log", xlabel="multiplications per sample, at most", ylabel="validation, %")
    time.set(xscale="log", xlabel="cycles per sample on the multipliers of the preset fast")
    for axes in (work, time):
        axes.grid(alpha=0.3)
    time.legend(fontsize="x-small")
    with writing(path) as file:
        picture.savefig(file, format="png", dpi=110)
