"""Simulation results, as tables and as JSON."""

import json
from collections import Counter
from dataclasses import asdict

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from twofold.sim.simulate import BENCH_SAMPLES, Sample, Simulation

COLUMNS = ("prob.", "cycles", "latency", "products", "dense", "mismatches")
"""For each sample: probability, cycles since the last result and in total, multiplications."""


def as_json(simulation: Simulation) -> str:
    """The figures, and for short runs the samples."""
    tree = dict(simulation.figures)
    tree["failures"] = simulation.failures
    if len(simulation.samples) <= BENCH_SAMPLES:
        tree["per_sample"] = [asdict(sample) for sample in simulation.samples]
    return json.dumps(tree, indent=1) + "\n"


def show(simulation: Simulation, console: Console) -> None:
    """Print a table of the samples, or of the classes if there are many, and the figures."""
    few = len(simulation.samples) <= BENCH_SAMPLES
    console.print(_sample_table(simulation) if few else _class_table(simulation))
    console.print(_summary(simulation), soft_wrap=True)
    for name, message in simulation.failures.items():
        console.print(f"[bold red]{name}[/]: {message}", highlight=False)


def _sample_table(simulation: Simulation) -> Table:
    table = Table("sample", "label", *_right(*COLUMNS), box=SIMPLE, pad_edge=False)
    dense = f"{simulation.figures['multiplications_dense']:,}"
    for sample in simulation.samples:
        table.add_row(
            sample.name,
            _label(sample),
            "" if sample.probability is None else f"{100 * sample.probability:.1f} %",
            f"{sample.interval:,}",
            f"{sample.latency:,}",
            f"{sample.multiplications:,}",
            dense,
            _count(sample.mismatches),
        )
    return table


def _class_table(simulation: Simulation) -> Table:
    table = Table("class", *_right("samples", "correct", "mismatches"), box=SIMPLE, pad_edge=False)
    classes = Counter(sample.expected or "?" for sample in simulation.samples)
    for name, count in sorted(classes.items()):
        samples = [sample for sample in simulation.samples if (sample.expected or "?") == name]
        correct = sum(sample.label == name for sample in samples)
        wrong = sum(sample.mismatches for sample in samples)
        table.add_row(name, f"{count:,}", f"{correct:,}", _count(wrong))
    return table


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]


def _label(sample: Sample) -> str:
    if sample.label is None:
        return "raw outputs"
    if sample.expected is None or sample.label == sample.expected:
        return sample.label
    return f"[yellow]{sample.label}[/]"


def _count(mismatches: int) -> str:
    return f"[bold red]{mismatches}[/]" if mismatches else "0"


def _summary(simulation: Simulation) -> str:
    figures = simulation.figures
    share = figures["multiplications_dense"] / max(figures["multiplications"], 1)
    accuracy = f" ({100 * figures['accuracy']:.2f} %)" if figures["known"] else ""
    simulator = (
        f"{figures['simulator']}: {figures['cycles_per_second']:,} cycles/s, "
        f"{figures['samples_per_second']:,} samples/s, built in {figures['build_seconds']} s"
    )
    planned = f"(planned {figures['cycles_per_sample_planned']})"
    rows = {
        "samples": f"{figures['samples']} of {figures['source']}",
        "mismatches": f"{figures['mismatches']} against the golden model, over all layers",
        "correct": f"{figures['correct']} of {figures['known']}{accuracy}",
        "cycles per sample": f"{figures['cycles_per_sample']} {planned}",
        "latency": f"{figures['latency_cycles']} cycles",
        "multiplications": f"{figures['multiplications']:,} a sample, dense / {share:.1f}",
        "simulator": simulator,
    }
    lines = [f"{figures['network']} on machine {figures['machine']}"]
    return "\n".join(lines + [f"  {name:16} {text}" for name, text in rows.items()])
