"""The page: one self-contained HTML file, for phones and for large screens."""

from collections.abc import Sequence
from html import escape

from twofold.sw.report import card, digits, figures, gpu, opening, own, tables
from twofold.sw.report.charts import code_spans
from twofold.sw.report.equal import remark
from twofold.sw.report.inputs import Inputs
from twofold.sw.report.select import all_threads
from twofold.sw.report.speeds import speeds
from twofold.sw.report.style import STYLE


def render(inputs: Inputs) -> str:
    """The whole page as HTML."""
    sections = [
        ("", opening.chart(inputs) + opening.tiles_html(inputs) + _busy(inputs)),
        ("Accuracies, and what is compared", _equal(inputs)),
        ("The study", f'<div class="columns">{"".join(all_figures(inputs))}</div>'),
        ("Everything behind it", _folds(inputs)),
    ]
    body = "".join(
        f"<section>{f'<h2>{escape(title)}</h2>' if title else ''}{text}</section>"
        for title, text in sections
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>Twofold: can processors use sparsity, and what does the FPGA do with it</title>"
        f"<style>{STYLE}</style></head><body><h1>Can processors use sparsity, and what does the "
        f"FPGA do with it?</h1>{_introduction()}{body}</body></html>\n"
    )


def all_figures(inputs: Inputs) -> list[str]:
    """All figures of the study and of the machine, in order."""
    return [
        figures.dense(inputs, 1, "1a. Dense network, one thread"),
        figures.dense(inputs, all_threads(inputs), "1b. Dense network, all threads"),
        figures.batches(inputs),
        figures.quantization(inputs),
        figures.sparse(inputs),
        figures.speedup(inputs),
        own.work(inputs),
        own.roof(inputs),
        own.latency(inputs),
        own.area(inputs),
        *([gpu.figure(inputs)] if inputs.gpu_rows else []),
    ]


def _introduction() -> str:
    return (
        "<p>One keyword-spotting network, dense and sparse, on the engines for processors and in "
        "the RTL of this project. Every figure names the command that gives it, every network its "
        "accuracy. The filling says where a value comes from, the colour whose it is; scales with "
        "dots are logarithmic.</p>"
    )


def _equal(inputs: Inputs) -> str:
    """Ratios and accuracies behind the first chart."""
    note = remark(inputs, [speed.network for speed in speeds(inputs)])
    return (
        f"<p>{escape(note)}</p><h3>Our CPU engine over the fastest other one, one core</h3>"
        f"{opening.ratios(inputs).html('stack')}"
        f"<h3>Accuracies, int8</h3>{opening.accuracies(inputs).html('stack')}"
        f"{_digits(inputs)}"
    )


def _digits(inputs: Inputs) -> str:
    """The published network's own task; empty if no network for it was measured."""
    if not inputs.digits:
        return ""
    machines = digits.machines(inputs)
    simulated = f"<p>{code_spans(digits.MACHINES)}</p>{machines.html()}" if machines.rows else ""
    return (
        f"<h3>Ten digits beside twelve words</h3><p>{code_spans(digits.NOTE)}</p>"
        f"{digits.table(inputs).html()}<p>{escape(digits.remark(inputs))}</p>{simulated}"
    )


def _folds(inputs: Inputs) -> str:
    """Wide tables, folded."""
    parts = [
        ("The machine, variant by variant", tables.fpga(inputs).html() + _assumptions(inputs)),
        ("Published figures", _published(inputs)),
        ("Processor: every configuration", _timings(inputs)),
        *([("GPU: every configuration", _on_gpu(inputs))] if inputs.gpu_rows else []),
        ("Our CPU engine, layer by layer", tables.layers(inputs).html() + _dense_wins(inputs)),
        ("From one core to many", tables.extrapolation(inputs).html() + _cores()),
        ("What the timings ran on", tables.machine(inputs).html("")),
        ("Missing", _list(inputs.missing()) or "<p>Nothing.</p>"),
    ]
    return "".join(
        f"<details><summary>{escape(title)}</summary>{text}</details>" for title, text in parts
    )


def _busy(inputs: Inputs) -> str:
    warning = tables.busy(inputs)
    return f'<p class="warning">{escape(warning)}</p>' if warning else ""


def _timings(inputs: Inputs) -> str:
    if not inputs.rows:
        return "<p>Missing: no timings of the processor.</p>"
    return (
        "<p>Medians of interleaved repeats, with their quartiles. Logits were compared with a "
        "reference in NumPy before anything was timed; engines that round halves to even may "
        "choose other winners among equal activations.</p>"
        + tables.timings(inputs).html()
        + "<h3>Not timed</h3>"
        + _list(tables.not_timed(inputs))
    )


def _on_gpu(inputs: Inputs) -> str:
    return f"<p>{escape(gpu.NOTE)}</p>{gpu.table(inputs).html()}"


def _dense_wins(inputs: Inputs) -> str:
    """Which layers of the sparse-sparse network run dense, because that is faster."""
    rows = (inputs.bench or {}).get("layers", [])
    dense = sorted(
        {
            f"{row['network']}'s {row['layer']} with {row['isa']}"
            for row in rows
            if row["sparsity"] == "sparse-sparse" and row["kernel"].startswith("tiles")
        }
    )
    if not dense:
        return ""
    return (
        "<p>Dense matrix products of the processor's tile unit take less time than leaving out "
        f"zeros: {escape(', '.join(dense))} runs as if it was dense. "
        "Sparsity helps there only where the other instruction sets are used.</p>"
    )


def _published(inputs: Inputs) -> str:
    if inputs.net != "gsc":
        return "<p>None about this network.</p>"
    return tables.published().html() + f"<p>{escape(card.PUBLISHED_SOURCE)}</p>"


def _assumptions(inputs: Inputs) -> str:
    board = inputs.board
    return (
        f"<p>Cycles are counted in RTL. Assumed: a clock of {board.clock_mhz} MHz, {board.units} "
        f"units on a card, {card.SAMPLE_BYTES} bytes a sample over PCIe at "
        f"{board.host.to_card / 1e9:.1f} GB/s, which is {card.link_samples(board) / 1e6:.1f} M "
        "samples/s. Nothing has been placed and routed.</p>"
    )


def _cores() -> str:
    return (
        f"<p>Assumed for {card.CORES} cores: as many processes as cores, each as fast as one "
        "alone, at the same clock. A real processor lowers its clock and shares its memory, so "
        "these are upper bounds; how two threads of one process scaled here is beside them. "
        "Energy is given only where the machine measures it.</p>"
    )


def _list(lines: Sequence[str]) -> str:
    points = "".join(f"<li>{code_spans(line)}</li>" for line in lines)
    return f"<ul>{points}</ul>" if points else ""
