"""The speeds that the first chart compares: from a dense network on a processor to the machine."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from twofold.sw.bench.engines import ENGINES
from twofold.sw.report import card
from twofold.sw.report.equal import contenders
from twofold.sw.report.inputs import Inputs
from twofold.sw.report.select import OWN

STEPS = {
    "dense": "dense",
    "pruned": "sparse weights",
    "sparse-sparse": "sparse weights and activations",
}
"""Kinds of networks, in the order of the chart, and what is sparse in them."""
BOTH_SPARSE = ("accurate", "fast")
"""Variants of the machine with both sparsities."""


@dataclass(frozen=True)
class Speed:
    """One of the speeds.

    Attributes
    ----------
    step: what is sparse in the network.
    where: what computes it.
    network: its name.
    own: whether this project's engine or machine computes it.
    rate: samples per second of one core, of one compute unit, or of a GPU.
    kind: where ``rate`` comes from, one of `twofold.sw.report.charts.KINDS`.
    whole: samples per second of 24 cores or of a card, extrapolated; of a GPU, its rate.
    how: precision and batch, or folding and cycles.
    gpu: name of the GPU that computes it; empty for everything else.
    """

    step: str
    where: str
    network: str
    own: bool
    rate: float
    kind: str
    whole: float
    how: str
    gpu: str = ""

    @property
    def unit(self) -> str:
        """What ``rate`` is of."""
        if self.gpu:
            return "one GPU"
        return "one unit" if self.kind == "simulated" else "one core"


def one_thread(inputs: Inputs, sparsity: str | None = None) -> list[dict[str, Any]]:
    """Timings of one thread, of networks of equal accuracy: `contenders` of each kind."""
    return _comparable(inputs, [row for row in inputs.rows if row["threads"] == 1], sparsity)


def _comparable(
    inputs: Inputs, rows: list[dict[str, Any]], sparsity: str | None
) -> list[dict[str, Any]]:
    """Those of networks of equal accuracy."""
    kinds = STEPS if sparsity is None else (sparsity,)
    found = []
    for kind in kinds:
        names = contenders(inputs, (row["network"] for row in rows if row["sparsity"] == kind))
        found += [row for row in rows if row["sparsity"] == kind and row["network"] in names]
    return found


def fastest(rows: Iterable[dict[str, Any]], *, own: bool) -> dict[str, Any] | None:
    """The fastest row of this project's engine, or of the others."""
    chosen = (row for row in rows if (row["engine"] == OWN) is own)
    return max(chosen, key=lambda row: row["samples_per_second"], default=None)


def speeds(inputs: Inputs) -> list[Speed]:
    """What is there of the chart, in its order."""
    found = []
    for sparsity, step in STEPS.items():
        rows = one_thread(inputs, sparsity)
        for own in (False, True):
            row = fastest(rows, own=own)
            if row:
                found.append(_on_processor(step, row, own))
        row = fastest(_comparable(inputs, inputs.gpu_rows, sparsity), own=False)
        if row:
            found.append(_on_gpu(step, row))
    machine = on_fpga(inputs)
    return [*found, machine] if machine else found


def _on_processor(step: str, row: dict[str, Any], own: bool) -> Speed:
    rate = row["samples_per_second"]
    return Speed(
        step, ENGINES[row["engine"]], row["network"], own, rate, "measured",
        rate * card.CORES, f"{row['precision']}, batch {row['batch']}",
    )  # fmt: skip


def _on_gpu(step: str, row: dict[str, Any]) -> Speed:
    rate = row["samples_per_second"]
    return Speed(
        step, f"{row['device']}, {ENGINES[row['engine']]}", row["network"], False, rate, "measured",
        rate, f"{row['precision']}, batch {row['batch']}", row["device"],
    )  # fmt: skip


def on_fpga(inputs: Inputs) -> Speed | None:
    """The machine with the fastest network of equal accuracy and both sparsities."""
    trees = [inputs.simulations[name] for name in BOTH_SPARSE if name in inputs.simulations]
    names = contenders(inputs, (tree["network"] for tree in trees))
    chosen = [tree for tree in trees if tree["network"] in names]
    if not chosen:
        return None
    tree = min(chosen, key=lambda tree: tree["cycles_per_sample"])
    cycles = tree["cycles_per_sample"]
    return Speed(
        STEPS["sparse-sparse"], f"{inputs.board.label}, RTL", tree["network"], True,
        card.unit_samples(inputs.board, cycles), "simulated",
        card.card_samples(inputs.board, cycles), f"folding {tree['folding']}, {cycles:,.0f} cycles",
    )  # fmt: skip


def as_json(found: Iterable[Speed]) -> list[dict[str, Any]]:
    """The speeds as plain values, by which a picture says what it shows.

    Without ``gpu`` where it is empty, so that pictures without a GPU keep their digest.
    """
    return [
        {name: value for name, value in asdict(speed).items() if name != "gpu" or value}
        for speed in found
    ]
