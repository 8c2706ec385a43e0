"""Show the results on the terminal."""

from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from twofold.sw.bench.engines import ENGINES, GPU


def show(report: dict[str, Any], console: Console) -> None:
    """Print a table of what was timed and a list of what was not."""
    machine = report["machine"]
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores ({', '.join(machine['instruction_sets'])}); "
        f"{report['samples']}; load {report['load_before']} before",
        highlight=False,
    )
    right = (Column(name, justify="right") for name in ("batch", "thr.", "samples/s", "quartiles"))
    core = Column("/core s", justify="right")
    table = Table("network", "test, %", "prec.", "engine", *right, core, box=SIMPLE)
    timed = [row for row in report["rows"] if row["samples_per_second"] is not None]
    for row in timed:
        if row["engine"] not in GPU:
            table.add_row(*_cells(row))
    console.print(table)
    if on_gpu := [row for row in timed if row["engine"] in GPU]:
        console.print(_gpu_table(on_gpu))
    for line in left_out(report["rows"]):
        console.print(line, highlight=False)


def _cells(row: dict[str, Any]) -> list[str]:
    low, high = row["spread"]
    core = row["samples_per_core_second"]
    return [
        row["network"],
        percent(row["accuracy"]["test"]),
        row["precision"],
        ENGINES[row["engine"]],
        f"{row['batch']}",
        f"{row['threads']}",
        f"{row['samples_per_second']:,.0f}",
        f"{low:,.0f}..{high:,.0f}",
        "-" if core is None else f"{core:,.0f}",
    ]


def _gpu_table(rows: list[dict[str, Any]]) -> Table:
    """What was timed on a GPU: batches in place of threads, and its name."""
    right = (Column(name, justify="right") for name in ("batch", "samples/s", "quartiles"))
    table = Table("network", "test, %", "prec.", "engine", "GPU", *right, box=SIMPLE)
    for row in rows:
        network, test, precision, engine, batch, _, rate, quartiles, _ = _cells(row)
        table.add_row(network, test, precision, engine, row["device"], batch, rate, quartiles)
    return table


def percent(share: float | None) -> str:
    """A share with two decimals, or that it is not known."""
    return "?" if share is None else f"{100 * share:.2f}"


def left_out(rows: list[dict[str, Any]]) -> list[str]:
    """What was not timed and why, one line per engine and reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["note"]:
            what = f"{row['network']} {row['precision']}"
            cases = reasons.setdefault((row["engine"], row["note"]), [])
            if what not in cases:
                cases.append(what)
    return [
        f"{ENGINES[engine]}, {', '.join(cases)}: {note}"
        for (engine, note), cases in reasons.items()
    ]
