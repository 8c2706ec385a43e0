"""The tables behind the figures, as HTML or, for README, as Markdown."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from twofold.hw.boards.board import Board
from twofold.sw.bench.engines import ENGINES
from twofold.sw.bench.show import left_out
from twofold.sw.report import card
from twofold.sw.report.charts import code_spans
from twofold.sw.report.inputs import NAMES, Inputs
from twofold.sw.report.select import all_threads, best, engines, simulated

Rows = Sequence[Sequence[str]]

QUIET = 0.5
"""Load average up to which a computer counts as idle."""


def html(head: Sequence[str], rows: Rows, kind: str = "") -> str:
    """A table that scrolls sideways on narrow screens.

    ``kind``: ``data`` keeps cells on one line and right-aligns numbers, ``stack`` stacks the cells
    on narrow screens instead of scrolling.
    """
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide {kind}">{table}</div>'


def _cell(text: str) -> str:
    number = ' class="number"' if re.fullmatch(r"[\d.,]+( \.\. [\d.,]+|x)?", text) else ""
    return f"<td{number}>{code_spans(text)}</td>"


def markdown(head: Sequence[str], rows: Rows) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def timings(inputs: Inputs) -> str:
    """Everything that was timed."""
    head = ("engine", "network", "precision", "batch", "threads", "samples/s", "quartiles",
            "samples/core s", "logits")  # fmt: skip
    rows = []
    for row in inputs.rows:
        low, high = row["spread"]
        rows.append(
            (
                f"{ENGINES[row['engine']]} {row['version']}", row["sparsity"], row["precision"],
                str(row["batch"]), str(row["threads"]), f"{row['samples_per_second']:,.0f}",
                f"{low:,.0f} .. {high:,.0f}", f"{row['samples_per_core_second']:,.0f}",
                f"error {row['logits_error']:.0e}" if row["logits_error"] else "equal",
            )
        )  # fmt: skip
    return html(head, rows, "data")


def busy(inputs: Inputs) -> str:
    """A warning if the computer was busy when the timings were made; else empty."""
    load = inputs.bench["load_before"] if inputs.bench else 0
    if load <= QUIET:
        return ""
    return (
        f"The machine was busy when the processor was timed (load {load}): its rates are too low, "
        "those of several threads most of all."
    )


def not_timed(inputs: Inputs) -> list[str]:
    """What was not timed, and why."""
    return left_out(inputs.bench["rows"]) if inputs.bench else []


def machine(inputs: Inputs) -> str:
    """The computer and settings of the timings."""
    bench = inputs.bench
    if bench is None:
        return "<p>Missing: no timings of the processor.</p>"
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
    for name, known in bench["networks"].items():
        share = f"{100 * known['nonzero_weights'] / known['weights']:.1f} %"
        what = f"{known['source']}; {share} of {known['weights']:,} weights are not zero"
        rows.append((f"network {name}", what))
    return html(("what", ""), rows)


def fpga(inputs: Inputs) -> str:
    """The simulated variants of the machine."""
    rows = []
    for variant, tree in simulated(inputs):
        cycles = tree["cycles_per_sample"]
        rows.append(
            (
                NAMES[variant], tree["folding"], f"{tree['samples']:,}", str(tree["mismatches"]),
                f"{cycles:,.1f}", f"{tree['latency_cycles']:,}", f"{tree['multiplications']:,}",
                f"{card.unit_samples(inputs.board, cycles):,.0f}",
                f"{card.card_samples(inputs.board, cycles):,.0f}",
                f"{inputs.board.units * card.unit_samples(inputs.board, cycles):,.0f}",
            )
        )  # fmt: skip
    if not rows:
        return "<p>Missing: no RTL simulation.</p>"
    head = ("variant", "folding", "samples simulated", "mismatches", "cycles a sample",
            "latency, cycles", "multiplications a sample", "samples/s, unit", "samples/s, card",
            "without PCIe")  # fmt: skip
    return html(head, rows, "data")


def published() -> str:
    """Numenta's figures."""
    rows = [
        (name, f"{known.single:,}", str(known.networks), f"{known.chip:,}")
        for name, known in card.PUBLISHED.items()
    ]
    head = ("network", "one network, samples/s", "networks", "chip, samples/s")
    return html(head, rows, "data")


def extrapolation(inputs: Inputs) -> str:
    """One core against all of them, and an extrapolation to 24 cores."""
    threads = all_threads(inputs)
    rows = []
    for name in engines(inputs):
        one = best(inputs, engine=name, threads=1)
        if one is None:
            continue
        case = {key: one[key] for key in ("engine", "precision", "sparsity")}
        every = best(inputs, **case, threads=threads) if threads > 1 else None
        scaling = "-"
        if every:
            scaling = f"{every['samples_per_second'] / one['samples_per_second']:.2f}x"
        joules = one.get("joules_per_sample")
        rows.append(
            (
                ENGINES[name], f"{one['sparsity']}, {one['precision']}, batch {one['batch']}",
                f"{one['samples_per_second']:,.0f}", scaling,
                f"{one['samples_per_second'] * card.CORES:,.0f}",
                f"{1 / joules:,.0f}" if joules else "not measured",
            )
        )  # fmt: skip
    head = ("engine", "its fastest", "samples/s, one thread", f"{threads} threads over one",
            f"samples/s, {card.CORES} cores (assumed)", "samples/J")  # fmt: skip
    return html(head, rows, "data")


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


def layers(inputs: Inputs) -> str:
    """Where our CPU engine spends its time."""
    rows = [
        (row["sparsity"], row["isa"], row["layer"], row["kernel"], f"{row['microseconds']:.2f}",
         KERNELS.get(row["kernel"], ""))
        for row in (inputs.bench or {}).get("layers", [])
    ]  # fmt: skip
    if not rows:
        return "<p>Missing: no times of layers.</p>"
    head = ("network", "instructions", "layer", "routine", "us a sample", "what it multiplies")
    return html(head, rows, "data")


def headline(inputs: Inputs) -> list[tuple[str, str, str]]:
    """The main figures: what, figure, and how it was obtained."""
    rows = []
    for variant, tree in simulated(inputs):
        rows += _variant(variant, tree, inputs.board)
    return rows + _on_card(inputs) + _processor(inputs) + _gains(inputs)


def _variant(variant: str, tree: dict[str, Any], board: Board) -> list[tuple[str, str, str]]:
    name, cycles = NAMES[variant], tree["cycles_per_sample"]
    options = f"--variant {variant} --folding {tree['folding']} --samples {tree['samples']}"
    how = f"`twofold sim {options}`, simulated"
    share = tree["multiplications_dense"] / tree["multiplications"]
    rows = [
        (f"{name}: samples through the RTL, mismatches",
         f"{tree['samples']:,}, {tree['mismatches']}", how),
        (f"{name}: cycles a sample, latency", f"{cycles:,.0f}, {tree['latency_cycles']:,}", how),
        (f"{name}: multiplications a sample", f"{tree['multiplications']:,} (dense / {share:.1f})",
         how),
        (f"{name}: samples/s, card of {board.units} units",
         f"{card.card_samples(board, cycles):,.0f}",
         f"assumed: {board.clock_mhz} MHz, PCIe at {board.host.to_card / 1e9:.0f} GB/s"),
    ]  # fmt: skip
    if tree.get("known", 0) >= 100:
        correct = f"{100 * tree['accuracy']:.2f} % ({tree['correct']:,} of {tree['known']:,})"
        rows.insert(1, (f"{name}: accuracy, int8, {tree['source']}", correct, how))
    return rows


def _on_card(inputs: Inputs) -> list[tuple[str, str, str]]:
    tree = inputs.card
    if tree is None:
        return []
    rate = f"{tree['samples_per_second']['median']:,.0f} samples/s"
    return [
        (f"{tree['network']} on the card, {tree['units']} units",
         f"{rate}, {tree['samples_per_second_per_watt']:,.0f} samples/J",
         "`twofold time`, measured")
    ]  # fmt: skip


def _processor(inputs: Inputs) -> list[tuple[str, str, str]]:
    ours = best(inputs, engine="twofold", threads=1)
    rivals = [best(inputs, engine=name, threads=1) for name in engines(inputs) if name != "twofold"]
    known = [row for row in rivals if row]
    if ours is None or not known or inputs.bench is None:
        return []
    other = max(known, key=lambda row: row["samples_per_second"])
    how = f"`{inputs.bench['command']}`, measured"
    rows = [(_described(row), f"{row['samples_per_second']:,.0f} samples/s", how)
            for row in (ours, other)]  # fmt: skip
    ratio = ours["samples_per_second"] / other["samples_per_second"]
    rows.append(("our CPU engine over the best other, one core", f"{ratio:.1f}x", how))
    fast = inputs.simulations.get("fast")
    if fast:
        whole = card.card_samples(inputs.board, fast["cycles_per_sample"])
        top = max(ours, other, key=lambda row: row["samples_per_second"])["samples_per_second"]
        rows.append(
            (f"card over {card.CORES} cores of the best CPU engine",
             f"{whole / (card.CORES * top):.1f}x", "assumed: both of them extrapolated")
        )  # fmt: skip
    return rows


def _gains(inputs: Inputs) -> list[tuple[str, str, str]]:
    """What pruning gains each engine."""
    rows = []
    for precision in ("fp32", "int8"):
        parts = []
        for name in engines(inputs):
            case = {"engine": name, "precision": precision, "batch": 64, "threads": 1}
            sparse = best(inputs, **case, sparsity="pruned")
            dense = best(inputs, **case, sparsity="dense")
            if sparse and dense:
                ratio = sparse["samples_per_second"] / dense["samples_per_second"]
                parts.append(f"{ENGINES[name]} {ratio:.2f}x")
        if parts and inputs.bench is not None:
            how = f"`{inputs.bench['command']}`, measured"
            rows.append((f"95 % pruned over dense, {precision}, batch 64", ", ".join(parts), how))
    return rows


def _described(row: dict[str, Any]) -> str:
    network = f"{row['sparsity']} {row['precision']}, batch {row['batch']}"
    return f"one core, {ENGINES[row['engine']]}, {network}"
