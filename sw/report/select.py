"""Select from the results what a figure or a table shows."""

from typing import Any

from twofold.sw.bench.engines import ENGINES
from twofold.sw.report.charts import Value
from twofold.sw.report.equal import shares
from twofold.sw.report.inputs import NAMES, VARIANTS, Inputs

BENCH = "twofold bench"
OWN = "twofold"
"""Name of this project's engine among the others."""
SIM = "twofold sim --variant VARIANT --folding full --samples 100"


def fpga(inputs: Inputs) -> str:
    """Name of this machine on its board."""
    return f"{inputs.board.label}, this machine"


def engines(inputs: Inputs) -> list[str]:
    """Engines that have timings, in the usual order."""
    timed = {row["engine"] for row in inputs.rows}
    return [name for name in ENGINES if name in timed]


def best(inputs: Inputs, **wanted: Any) -> dict[str, Any] | None:
    """The fastest row whose fields have these values; None if there is none."""
    rows = [row for row in inputs.rows if all(row[key] == wanted[key] for key in wanted)]
    return max(rows, key=lambda row: row["samples_per_second"], default=None)


def all_threads(inputs: Inputs) -> int:
    """The largest number of threads that was timed."""
    return max((row["threads"] for row in inputs.rows), default=1)


def timed(label: str, row: dict[str, Any]) -> Value:
    """A row's samples per second and quartiles."""
    low, high = row["spread"]
    rate = row["samples_per_second"]
    own = row["engine"] == OWN
    return Value(label, rate, "measured", f"{rate:,.0f} samples/s", (low, high), own=own)


def named(inputs: Inputs, network: str) -> str:
    """A network with its accuracy."""
    return f"{network}, {shares(inputs, network)}"


def bench_command(inputs: Inputs) -> str:
    """The command that produced the timings."""
    return inputs.bench["command"] if inputs.bench else BENCH


def rate(label: str, samples: float, kind: str, *, own: bool) -> Value:
    """Samples per second, without spread."""
    return Value(label, samples, kind, f"{samples:,.0f} samples/s", own=own)


def simulated(inputs: Inputs) -> list[tuple[str, dict[str, Any]]]:
    """Variants with a simulation, in their order."""
    return [(name, inputs.simulations[name]) for name in VARIANTS if name in inputs.simulations]


def not_shown(inputs: Inputs) -> str:
    """A note on what is missing from a figure of CPU and FPGA; empty if nothing is."""
    lacking = [NAMES[name] for name in VARIANTS if name not in inputs.simulations]
    parts = []
    if not inputs.rows:
        parts.append("Not shown: the processor, as there are no timings.")
    if lacking:
        names = "; ".join(lacking)
        parts.append(f"Not shown, as there is no RTL simulation without mismatches: {names}.")
    return " ".join(parts)
