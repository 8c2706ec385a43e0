"""README's rows and the page of results, in Markdown: the tables of the HTML page."""

from typing import Any

from twofold.sw.bench.engines import ENGINES
from twofold.sw.report import card, digits, gpu, opening, tables
from twofold.sw.report.equal import remark, shares
from twofold.sw.report.inputs import Inputs
from twofold.sw.report.select import bench_command, best, engines
from twofold.sw.report.speeds import fastest, on_fpga, one_thread, speeds
from twofold.sw.report.tables import Table


def opening_rows(inputs: Inputs) -> Table:
    """What the project reaches, in up to six rows."""
    rows = [
        *_exact(inputs), *_work(inputs), *_card(inputs), *_processor(inputs), *_gains(inputs),
        *_digits(inputs),
    ]  # fmt: skip
    return Table(("what", "figure", "int8 accuracy, test / val", "how"), rows)


def _exact(inputs: Inputs) -> list[tuple[str, ...]]:
    if not inputs.simulations:
        return []
    samples, wrong = opening.verified(inputs)
    right = f"{samples:,} words, {wrong} bits differ"
    what = "RTL against PyTorch's integers, every layer"
    return [(what, right, "equal by construction", "`twofold sim`, simulated")]


def _work(inputs: Inputs) -> list[tuple[str, ...]]:
    machine = on_fpga(inputs)
    trees = inputs.simulations.values()
    tree = next((one for one in trees if machine and one["network"] == machine.network), None)
    if tree is None:
        return []
    whole, products = tree["multiplications_dense"], tree["multiplications"]
    figure = f"{products:,} of {whole:,}, 1/{whole / products:.0f}"
    return [("multiplications a word", figure, _named(inputs, tree["network"]), "counted")]


def _card(inputs: Inputs) -> list[tuple[str, ...]]:
    """The machine against 24 cores of the fastest engine that is not ours."""
    machine = on_fpga(inputs)
    if machine is None:
        return []
    board = inputs.board
    figure = f"{machine.whole:,.0f} words/s"
    other = fastest(one_thread(inputs), own=False)
    if other:
        ratio = machine.whole / (card.CORES * other["samples_per_second"])
        figure += f", {ratio:.1f}x {card.CORES} cores of {ENGINES[other['engine']]}"
    what = f"a {board.label} with {board.units} units"
    assumed = f"{board.clock_mhz} MHz, {board.units} units, {card.CORES} cores"
    how = f"cycles simulated; assumed: {assumed}"
    return [(what, figure, _named(inputs, machine.network), how)]


def _processor(inputs: Inputs) -> list[tuple[str, ...]]:
    rows = one_thread(inputs)
    ours, other = fastest(rows, own=True), fastest(rows, own=False)
    if ours is None or other is None:
        return []
    ratio = ours["samples_per_second"] / other["samples_per_second"]
    figure = (
        f"{ours['samples_per_second']:,.0f} words/s, {ratio:.1f}x {ENGINES[other['engine']]} with "
        f"{other['network']}"
    )
    both = " against ".join(shares(inputs, row["network"]) for row in (ours, other))
    what = "our CPU engine, one core, best batch"
    accuracy = f"{ours['network']}: {both}"
    return [(what, figure, accuracy, f"`{bench_command(inputs)}`, measured")]


def _gains(inputs: Inputs) -> list[tuple[str, ...]]:
    """What sparse weights gain other engines, in their better precision."""
    dense, pruned = (f"{inputs.net}-{name}" for name in ("dense", "pruned"))
    parts = []
    for name in engines(inputs):
        case = {"engine": name, "batch": 64, "threads": 1}
        pairs = [
            (best(inputs, **case, network=pruned, precision=precision),
             best(inputs, **case, network=dense, precision=precision))
            for precision in ("fp32", "int8")
        ]  # fmt: skip
        ratios = [
            above["samples_per_second"] / below["samples_per_second"]
            for above, below in pairs
            if above and below
        ]
        if ratios:
            parts.append(f"{ENGINES[name]} {max(ratios):.2f}x")
    if not parts:
        return []
    both = f"{shares(inputs, pruned)} against {shares(inputs, dense)}"
    how = f"`{bench_command(inputs)}`, measured"
    return [("95 % sparse weights over dense, batch 64", ", ".join(parts), both, how)]


def _digits(inputs: Inputs) -> list[tuple[str, ...]]:
    """The published network's own task."""
    if not inputs.digits:
        return []
    figure = ", ".join(f"{name} {digits.accuracy(one)}" for name, one in inputs.digits.items())
    what = "ten digits, the published task, on a part of its data"
    return [(what, figure, digits.clips(inputs), f"`{digits.COMMAND}`, measured")]


def _named(inputs: Inputs, network: str) -> str:
    return f"{network}: {shares(inputs, network)}"


def first_chart(inputs: Inputs) -> Table:
    """The first chart as a table."""
    rows = [
        (
            speed.step, speed.where, speed.network, shares(inputs, speed.network), speed.how,
            f"{speed.rate:,.0f} ({speed.unit}, {speed.kind})",
            "-" if speed.gpu else f"{speed.whole:,.0f}",
        )
        for speed in speeds(inputs)
    ]  # fmt: skip
    head = ("sparse", "computed by", "network", "test / val", "how", "words/s",
            f"{card.CORES} cores, or the card (assumed)")  # fmt: skip
    return Table(head, rows)


def timings(inputs: Inputs) -> Table:
    """Every timing, without the columns that only the page has room for."""
    head = ("network", "test / val", "engine", "precision", "batch", "threads", "words/s")
    rows = [_timing(inputs, row) for row in inputs.rows]
    return Table(head, rows)


def _timing(inputs: Inputs, row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["network"], shares(inputs, row["network"]), ENGINES[row["engine"]], row["precision"],
        str(row["batch"]), str(row["threads"]), f"{row['samples_per_second']:,.0f}",
    )  # fmt: skip


def results(inputs: Inputs) -> str:
    """All results as Markdown."""
    board = inputs.board
    assumed = (
        f"Cycles are counted in RTL. Assumed: {board.clock_mhz} MHz, {board.units} units on a "
        f"{board.label}, {card.SAMPLE_BYTES} bytes a word over PCIe at "
        f"{board.host.to_card / 1e9:.1f} GB/s."
    )
    parts = [
        "### Equal accuracy",
        remark(inputs, [speed.network for speed in speeds(inputs)]),
        first_chart(inputs).markdown(),
        "Our CPU engine against the fastest other engine, one core, at equal accuracy:",
        opening.ratios(inputs).markdown(),
        "### Accuracies",
        opening.accuracies(inputs).markdown(),
        *(["### Ten digits beside twelve words", *digits.section(inputs)] * bool(inputs.digits)),
        "### The machine, simulated",
        assumed,
        tables.fpga(inputs).markdown(),
        "### The processor, measured",
        *([tables.busy(inputs)] if tables.busy(inputs) else []),
        f"`{bench_command(inputs)}`; medians of interleaved turns.",
        timings(inputs).markdown(),
        *(["### A GPU, measured", gpu.NOTE, gpu.table(inputs).markdown()] * bool(inputs.gpu_rows)),
        "### Published by others",
        tables.published().markdown(),
        card.PUBLISHED_SOURCE,
        "### Missing",
        "\n".join(f"- {line}" for line in inputs.missing()) or "Nothing.",
    ]
    return "\n\n".join(parts)
