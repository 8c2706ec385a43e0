"""The page: one self-contained HTML file, for phones and for large screens."""

from collections.abc import Sequence
from html import escape

from twofold.sw.report import card, figures, own, tables
from twofold.sw.report.charts import KINDS, code_spans, legend
from twofold.sw.report.inputs import Inputs
from twofold.sw.report.select import all_threads

STYLE = """
:root { --ink: #1b1f24; --paper: #fff; --soft: #5b6570; --line: #d9dee3; --card: #f6f8fa;
  --measured: #2f6db5; --simulated: #1d8a5b; --published: #8a8f98; --assumed: #c9761f;
  --estimated: #8250a8; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #14171b; --soft: #9ba5b0;
  --line: #343a42; --card: #1d2126; --measured: #6aa3e6; --simulated: #4cc08d;
  --published: #a3a9b3; --assumed: #eba556; --estimated: #b993dd; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1.05rem; margin: 0 0 .6rem; } h4 { font-size: .9rem; margin: .8rem 0 .3rem; }
figure { margin: 0 0 1.2rem; padding: 1rem; background: var(--card); border-radius: .5rem;
  border: 1px solid var(--line); }
.absent { border-style: dashed; }
figcaption, .scale { font-size: .85rem; color: var(--soft); margin-top: .6rem; }
code { font: .85em ui-monospace, monospace; background: var(--line); padding: .05em .3em;
  border-radius: .2em; }
.bar { display: grid; grid-template-columns: 1fr auto; column-gap: .6rem; margin-bottom: .35rem;
  font-size: .875rem; line-height: 1.35; }
.value { font-variant-numeric: tabular-nums; white-space: nowrap; }
.track { grid-column: 1 / 3; position: relative; height: .85rem; background: var(--line);
  border-radius: .15rem; overflow: hidden; }
.track i { display: block; height: 100%; min-width: 2px; }
.iqr { position: absolute; top: 25%; height: 50%; border-inline: 2px solid var(--ink);
  border-top: 0; opacity: .75; }
.mark { position: absolute; top: 0; height: 100%; border-left: 2px dashed var(--ink); }
i.measured { background: var(--measured); }
i.simulated { background: repeating-linear-gradient(45deg, var(--simulated) 0 5px,
  var(--card) 5px 7px); }
i.published { background: repeating-linear-gradient(0deg, var(--published) 0 2px,
  var(--card) 2px 4px); }
i.assumed { background: repeating-linear-gradient(90deg, var(--assumed) 0 4px,
  var(--card) 4px 8px); }
i.estimated { background: repeating-linear-gradient(135deg, var(--estimated) 0 3px,
  var(--card) 3px 5px); }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .8rem;
  margin-top: .7rem; }
.key { display: inline-flex; align-items: center; gap: .4rem; }
.key i { width: 1.5rem; height: .8rem; border-radius: .15rem; flex: none; }
svg { width: 100%; max-width: 34rem; display: block; margin: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg .dot { fill: var(--paper); }
svg .grid { stroke: var(--line); } svg .roof { stroke: var(--ink); stroke-width: 2; }
circle.simulated { fill: var(--simulated); } circle.published { fill: var(--published); }
circle.assumed { fill: var(--assumed); stroke: var(--ink); stroke-dasharray: 3 2; }
ol { font-size: .875rem; padding-left: 1.4rem; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; }
table { border-collapse: collapse; width: 100%; font-size: .85rem;
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.data table { width: auto; } .data td { white-space: nowrap; } .number { text-align: right; }
.warning { border-left: .3rem solid var(--assumed); padding-left: .7rem; }
th { background: var(--card); white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; }
@media (max-width: 40rem) { .stack thead { display: none; }
  .stack tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  .stack td { display: block; border: 0; padding: .05rem .6rem; }
  .stack td:nth-child(2) { font-weight: 600; font-size: 1rem; }
  .stack td:nth-child(n+3) { color: var(--soft); } }
@media (min-width: 52rem) { .grid-of-two { display: grid; grid-template-columns: 1fr 1fr;
  gap: 0 1.2rem; align-items: start; } }
"""


def render(inputs: Inputs) -> str:
    """The whole page as HTML."""
    sections = [
        ("In short", _headline(inputs)),
        ("Figures", f'<div class="grid-of-two">{"".join(all_figures(inputs))}</div>'),
        ("The machine, variant by variant", tables.fpga(inputs) + _assumptions(inputs)),
        ("Published figures", _published(inputs)),
        ("Processor: every configuration", _timings(inputs)),
        ("Our CPU engine, layer by layer", tables.layers(inputs) + _dense_wins(inputs)),
        ("From one core to many", tables.extrapolation(inputs) + _cores()),
        ("What the timings ran on", tables.machine(inputs)),
        ("Missing", _list(inputs.missing()) or "<p>Nothing.</p>"),
    ]
    body = "".join(f"<section><h2>{escape(title)}</h2>{text}</section>" for title, text in sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>Twofold: can processors use sparsity, and what does the FPGA do with it</title>"
        f"<style>{STYLE}</style></head><body><h1>Can processors use sparsity, and what does the "
        f"FPGA do with it?</h1>{_introduction()}{body}</body></html>\n"
    )


def all_figures(inputs: Inputs) -> list[str]:
    """All figures, in order."""
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
    ]


def _introduction() -> str:
    return (
        "<p>One keyword-spotting network, dense and sparse, on the engines for processors and in "
        "the RTL of this project. Every number names the command that gives it, and every bar "
        f"where it comes from:</p>{legend(KINDS)}"
    )


def _headline(inputs: Inputs) -> str:
    rows = tables.headline(inputs)
    if not rows:
        return "<p>Nothing measured yet.</p>"
    warning = tables.busy(inputs)
    note = f'<p class="warning">{escape(warning)}</p>' if warning else ""
    return note + tables.html(("what", "figure", "how"), rows, "stack")


def _timings(inputs: Inputs) -> str:
    if not inputs.rows:
        return "<p>Missing: no timings of the processor.</p>"
    return (
        "<p>Medians of interleaved repeats, with their quartiles. Logits were compared with a "
        "reference in NumPy before anything was timed; engines that round halves to even may "
        "choose other winners among equal activations.</p>"
        + tables.timings(inputs)
        + "<h3>Not timed</h3>"
        + _list(tables.not_timed(inputs))
    )


def _dense_wins(inputs: Inputs) -> str:
    """Which layers of the sparse-sparse network run dense, because that is faster."""
    rows = (inputs.bench or {}).get("layers", [])
    dense = sorted(
        {
            f"{row['layer']} with {row['isa']}"
            for row in rows
            if row["sparsity"] == "sparse-sparse" and row["kernel"].startswith("tiles")
        }
    )
    if not dense:
        return ""
    return (
        "<p>Dense matrix products of the processor's tile unit take less time than leaving out "
        f"zeros: the sparse-sparse network runs {escape(', '.join(dense))} as if it was dense. "
        "Sparsity helps there only where the other instruction sets are used.</p>"
    )


def _published(inputs: Inputs) -> str:
    if inputs.net != "gsc":
        return "<p>None about this network.</p>"
    return tables.published() + f"<p>{escape(card.PUBLISHED_SOURCE)}</p>"


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
