"""Engines on a GPU: a figure and a table, which are there if a GPU was timed."""

from collections.abc import Sequence
from typing import Any

from twofold.sw.bench.engines import ENGINES
from twofold.sw.report.charts import Group, dot_chart
from twofold.sw.report.charts import figure as drawn
from twofold.sw.report.equal import shares
from twofold.sw.report.inputs import Inputs
from twofold.sw.report.select import bench_command, named, timed
from twofold.sw.report.tables import Table

NOTE = (
    "Each call moves samples from page-locked memory over PCIe to the GPU and logits back, so "
    "rates contain transfers. fp32 is without TF32. No ratio sets a whole GPU against a core."
)


def figure(inputs: Inputs) -> str:
    """Figure 10: every network in every precision and batch, with the name of the GPU."""
    cases: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in inputs.gpu_rows:
        cases.setdefault((row["network"], row["precision"]), []).append(row)
    groups = [
        Group(
            f"{named(inputs, network)}, {precision}",
            [timed(_label(row), row) for row in _ordered(rows)],
        )
        for (network, precision), rows in cases.items()
    ]
    return drawn(
        "10. Networks on a GPU",
        dot_chart(groups),
        f"Samples a second; medians with quartiles. {NOTE}",
        groups,
        [bench_command(inputs)],
    )


def _label(row: dict[str, Any]) -> str:
    return f"{row['device']}, {ENGINES[row['engine']]}, batch {row['batch']}"


def _ordered(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """By engine, then by batch."""
    return sorted(rows, key=lambda row: (list(ENGINES).index(row["engine"]), row["batch"]))


def table(inputs: Inputs) -> Table:
    """Every timing on a GPU."""
    rows = [
        (
            row["network"], shares(inputs, row["network"]), row["device"], ENGINES[row["engine"]],
            row["precision"], str(row["batch"]), f"{row['samples_per_second']:,.0f}",
        )
        for row in inputs.gpu_rows
    ]  # fmt: skip
    head = ("network", "test / val", "GPU", "engine", "precision", "batch", "words/s")
    return Table(head, rows)
