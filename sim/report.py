"""What a simulation found, for people and for programs."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from hw.verilog.cache import write_atomically
from sim.simulate import BENCH_WORDS, Simulation, Word

COLUMNS = ("prob.", "cycles", "latency", "products", "dense", "mismatches")
"""Of a word: its probability, cycles since the last result and in all, multiplications."""


def write_report(simulation: Simulation, path: Path) -> None:
    """Write the figures, and of short runs the words, as JSON; whole or not at all."""
    tree = dict(simulation.figures)
    tree["failures"] = simulation.failures
    if len(simulation.words) <= BENCH_WORDS:
        tree["per_word"] = [asdict(word) for word in simulation.words]
    write_atomically(path, json.dumps(tree, indent=1) + "\n")


def show(simulation: Simulation, console: Console) -> None:
    """Print a table of the words, or of the classes where there are many, and the figures."""
    few = len(simulation.words) <= BENCH_WORDS
    console.print(_word_table(simulation) if few else _class_table(simulation))
    console.print(_summary(simulation), soft_wrap=True)
    for name, message in simulation.failures.items():
        console.print(f"[bold red]{name}[/]: {message}", highlight=False)


def _word_table(simulation: Simulation) -> Table:
    table = Table("word", "label", *_right(*COLUMNS), box=SIMPLE, pad_edge=False)
    dense = f"{simulation.figures['multiplications_dense']:,}"
    for word in simulation.words:
        table.add_row(
            word.spoken,
            _label(word),
            f"{100 * word.probability:.1f} %",
            f"{word.interval:,}",
            f"{word.latency:,}",
            f"{word.multiplications:,}",
            dense,
            _count(word.mismatches),
        )
    return table


def _class_table(simulation: Simulation) -> Table:
    table = Table("class", *_right("words", "correct", "mismatches"), box=SIMPLE, pad_edge=False)
    classes = Counter(word.expected or "?" for word in simulation.words)
    for name, count in sorted(classes.items()):
        words = [word for word in simulation.words if (word.expected or "?") == name]
        correct = sum(word.label == name for word in words)
        wrong = sum(word.mismatches for word in words)
        table.add_row(name, f"{count:,}", f"{correct:,}", _count(wrong))
    return table


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]


def _label(word: Word) -> str:
    if word.expected is None or word.label == word.expected:
        return word.label
    return f"[yellow]{word.label}[/]"


def _count(mismatches: int) -> str:
    return f"[bold red]{mismatches}[/]" if mismatches else "0"


def _summary(simulation: Simulation) -> str:
    figures = simulation.figures
    share = figures["multiplications_dense"] / max(figures["multiplications"], 1)
    accuracy = f" ({100 * figures['accuracy']:.2f} %)" if figures["known"] else ""
    simulator = (
        f"{figures['simulator']}: {figures['cycles_per_second']:,} cycles/s, "
        f"{figures['words_per_second']:,} words/s, built in {figures['build_seconds']} s"
    )
    planned = f"(planned {figures['cycles_per_word_planned']})"
    rows = {
        "words": f"{figures['words']} of {figures['source']}",
        "mismatches": f"{figures['mismatches']} against the golden model, over all layers",
        "correct": f"{figures['correct']} of {figures['known']}{accuracy}",
        "cycles per word": f"{figures['cycles_per_word']} {planned}",
        "latency": f"{figures['latency_cycles']} cycles",
        "multiplications": f"{figures['multiplications']:,} a word, dense / {share:.1f}",
        "simulator": simulator,
    }
    lines = [f"{figures['network']}, folding {figures['folding']}"]
    return "\n".join(lines + [f"  {name:16} {text}" for name, text in rows.items()])
