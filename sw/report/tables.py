"""The tables behind the figures, for the page and for Markdown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from twofold.sw.bench.engines import ENGINES
from twofold.sw.bench.show import left_out
from twofold.sw.report import card
from twofold.sw.report.charts import code_spans
from twofold.sw.report.equal import shares
from twofold.sw.report.inputs import NAMES, Inputs
from twofold.sw.report.select import all_threads, best, engines, simulated

QUIET = 0.5
"""Load average up to which a computer counts as idle."""


@dataclass(frozen=True)
class Table:
    """A table for the page and for Markdown. Text between backquotes is code."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def html(self, kind: str = "data") -> str:
        """As HTML; it scrolls sideways on narrow screens.

        ``kind``: ``data`` keeps cells on one line and right-aligns numbers, ``stack`` stacks the
        cells on narrow screens instead of scrolling.
        """
        if not self.rows:
            return "<p>Missing: nothing to show.</p>"
        top = "".join(f"<th>{escape(name)}</th>" for name in self.head)
        body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in self.rows)
        table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
        return f'<div class="wide {kind}">{table}</div>'

    def markdown(self) -> str:
        """As Markdown."""
        if not self.rows:
            return "Missing: nothing to show."
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    number = ' class="number"' if re.fullmatch(r"[\d.,]+( \.\. [\d.,]+|x)?", text) else ""
    return f"<td{number}>{code_spans(text)}</td>"


def timings(inputs: Inputs) -> Table:
    """Everything that was timed."""
    head = ("engine", "network", "test / val", "precision", "batch", "threads", "samples/s",
            "quartiles", "samples/core s", "logits")  # fmt: skip
    rows = []
    for row in inputs.rows:
        low, high = row["spread"]
        rows.append(
            (
                f"{ENGINES[row['engine']]} {row['version']}", row["network"],
                shares(inputs, row["network"]), row["precision"],
                str(row["batch"]), str(row["threads"]), f"{row['samples_per_second']:,.0f}",
                f"{low:,.0f} .. {high:,.0f}", f"{row['samples_per_core_second']:,.0f}",
                f"error {row['logits_error']:.0e}" if row["logits_error"] else "equal",
            )
        )  # fmt: skip
    return Table(head, rows)


def busy(inputs: Inputs) -> str:
    """A warning if the computer was busy when the timings were made; else empty."""
    load = (inputs.bench or {}).get("load_before", 0)
    if load <= QUIET:
        return ""
    return (
        f"The machine was busy when the processor was timed (load {load}): its rates are too low, "
        "those of several threads most of all."
    )


def not_timed(inputs: Inputs) -> list[str]:
    """What was not timed, and why."""
    return left_out(inputs.bench["rows"]) if inputs.bench else []


def machine(inputs: Inputs) -> Table:
    """The computer and settings of the timings."""
    bench, head = inputs.bench, ("what", "")
    if bench is None:
        return Table(head, ())
    facts = bench["machine"]
    settings = bench["settings"]
    rows = [
        ("processor", f"{facts['cpu']} ({facts['family_model_stepping']}), {facts['cores']} cores"
         + (", virtual machine" if facts["virtual_machine"] else "")),
        ("instruction sets", ", ".join(facts["instruction_sets"])),
        ("memory", f"{facts['memory_gib']} GiB"),
        ("system", f"{facts['system']}, Python {facts['python']}"),
        ("samples", bench["samples"]),
        ("when", f"{bench['when']}, {bench['minutes']} minutes"),
        ("load before", f"{bench['load_before']}"),
        ("repeats", f"{settings['rounds']} of {settings['seconds']} s for each row, interleaved"),
        ("energy", bench["energy"]),
        ("command", f"`{bench['command']}`"),
    ]  # fmt: skip
    found = bench.get("gpu") or {"cards": []}
    if found["cards"]:
        cuda = found.get("cuda") or "not known"
        rows.append(("GPU", f"{', '.join(found['cards'])}; CUDA of its driver: {cuda}"))
    for name, known in bench["networks"].items():
        share = f"{100 * known['nonzero_weights'] / known['weights']:.1f} %"
        what = f"{known['source']}; {share} of {known['weights']:,} weights are not zero"
        rows.append((f"network {name}", what))
    return Table(head, rows)


def fpga(inputs: Inputs) -> Table:
    """The simulated variants of the machine."""
    rows = []
    for variant, tree in simulated(inputs):
        cycles = tree["cycles_per_sample"]
        rows.append(
            (
                NAMES[variant], shares(inputs, tree["network"]), tree["folding"],
                f"{tree['samples']:,}", str(tree["mismatches"]),
                f"{cycles:,.1f}", f"{tree['latency_cycles']:,}", f"{tree['multiplications']:,}",
                f"{card.unit_samples(inputs.board, cycles):,.0f}",
                f"{card.card_samples(inputs.board, cycles):,.0f}",
                f"{inputs.board.units * card.unit_samples(inputs.board, cycles):,.0f}",
            )
        )  # fmt: skip
    head = ("variant", "test / val", "folding", "samples simulated", "mismatches",
            "cycles a sample", "latency, cycles", "multiplications a sample", "samples/s, unit",
            "samples/s, card", "without PCIe")  # fmt: skip
    return Table(head, rows)


def published() -> Table:
    """Numenta's figures."""
    rows = [
        (name, f"{known.single:,}", str(known.networks), f"{known.chip:,}")
        for name, known in card.PUBLISHED.items()
    ]
    head = ("network", "one network, samples/s", "networks", "chip, samples/s")
    return Table(head, rows)


def extrapolation(inputs: Inputs) -> Table:
    """One core against all of them, and an extrapolation to 24 cores."""
    threads = all_threads(inputs)
    rows = []
    for name in engines(inputs):
        one = best(inputs, engine=name, threads=1)
        if one is None:
            continue
        case = {key: one[key] for key in ("engine", "precision", "network")}
        every = best(inputs, **case, threads=threads) if threads > 1 else None
        scaling = "-"
        if every:
            scaling = f"{every['samples_per_second'] / one['samples_per_second']:.2f}x"
        joules = one.get("joules_per_sample")
        rows.append(
            (
                ENGINES[name], f"{one['network']}, {one['precision']}, batch {one['batch']}",
                f"{one['samples_per_second']:,.0f}", scaling,
                f"{one['samples_per_second'] * card.CORES:,.0f}",
                f"{1 / joules:,.0f}" if joules else "not measured",
            )
        )  # fmt: skip
    head = ("engine", "its fastest", "samples/s, one thread", f"{threads} threads over one",
            f"samples/s, {card.CORES} cores (assumed)", "samples/J")  # fmt: skip
    return Table(head, rows)


KERNELS = {
    "patch": "all pixels with the taps that exist: sparse weights",
    "gather": "all pixels with the taps that exist: sparse weights",
    "tiles": "all activations with all weights: dense",
    "tiles, few samples: sets": "all activations with all weights: dense (in small batches both "
    "sparsities)",
    "lookup": "winners with all kernels: sparse activations",
    "lookup, few samples: sets": "winners with all kernels: sparse activations (in small batches "
    "both sparsities)",
    "scatter": "non-zero activations with stored weights: both sparsities",
    "logits": "all activations with all weights: dense, but few",
}
"""What the routines of our CPU engine multiply."""


def layers(inputs: Inputs) -> Table:
    """Where our CPU engine spends its time."""
    rows = [
        (row["network"], row["isa"], row["layer"], row["kernel"], f"{row['microseconds']:.2f}",
         KERNELS.get(row["kernel"], ""))
        for row in (inputs.bench or {}).get("layers", [])
    ]  # fmt: skip
    head = ("network", "instructions", "layer", "routine", "us a sample", "what it multiplies")
    return Table(head, rows)
