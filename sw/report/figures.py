"""The figures of the study, numbered as there."""

from collections.abc import Iterable, Sequence
from typing import Any

from twofold.sw.bench.engines import ENGINES
from twofold.sw.report import card
from twofold.sw.report.charts import Bar, Group, absent, bar_chart, figure, kinds_of
from twofold.sw.report.inputs import NAMES, Inputs
from twofold.sw.report.select import (
    SIM,
    bench_command,
    best,
    engines,
    fpga,
    not_shown,
    rate_bar,
    samples_bar,
    simulated,
)  # fmt: skip

OTHERS = "U250, Numenta"


def _nothing_timed(groups: Sequence[Group], title: str) -> str | None:
    """Placeholder for a CPU figure that has no bars; None if it has some."""
    if groups:
        return None
    return absent(title, ["no timings of the processor to compare: run `twofold bench`"])


def dense(inputs: Inputs, threads: int, title: str) -> str:
    """Figures 1a, 1b: the dense network on every engine."""
    groups = []
    for precision in ("fp32", "int8"):
        bars = []
        for name in engines(inputs):
            for batch in (1, 64):
                row = best(inputs, engine=name, precision=precision, sparsity="dense",
                           batch=batch, threads=threads)  # fmt: skip
                if row:
                    bars.append(rate_bar(f"{ENGINES[name]}, batch {batch}", row))
        if bars:
            groups.append(Group(precision, bars))
    return _nothing_timed(groups, title) or figure(
        title,
        bar_chart(groups),
        f"Samples a second of the dense network, {threads} thread{'s' * (threads > 1)}; "
        "medians with quartiles.",
        kinds_of(groups),
        [bench_command(inputs)],
    )


def _ratio(label: str, above: dict[str, Any] | None, below: dict[str, Any] | None) -> Iterable[Bar]:
    if above and below:
        ratio = above["samples_per_second"] / below["samples_per_second"]
        yield Bar(label, ratio, "measured", f"{ratio:.2f}x", mark=1)


def batches(inputs: Inputs) -> str:
    """Figure 2: gain from batching."""
    title = "2. Batch advantage"
    groups = []
    for sparsity, precision in (
        ("dense", "fp32"), ("dense", "int8"), ("pruned", "int8"), ("sparse-sparse", "int8"),
    ):  # fmt: skip
        bars: list[Bar] = []
        for name in engines(inputs):
            case = {"engine": name, "precision": precision, "sparsity": sparsity, "threads": 1}
            top = best(inputs, **case)
            where = f", best batch {top['batch']}" if top else ""
            bars += _ratio(f"{ENGINES[name]}{where}", top, best(inputs, **case, batch=1))
        if bars:
            groups.append(Group(f"{sparsity}, {precision}", bars))
    return _nothing_timed(groups, title) or figure(
        title,
        bar_chart(groups),
        "Samples a second at the best batch over those at batch 1, one thread. At the line, 1, "
        "batches gain nothing.",
        kinds_of(groups),
        [bench_command(inputs)],
    )


def quantization(inputs: Inputs) -> str:
    """Figure 3: gain from int8."""
    title = "3. Quantization"
    groups = []
    for sparsity in ("dense", "pruned"):
        for batch in (1, 64):
            bars: list[Bar] = []
            for name in engines(inputs):
                case = {"engine": name, "sparsity": sparsity, "batch": batch, "threads": 1}
                bars += _ratio(ENGINES[name], best(inputs, **case, precision="int8"),
                               best(inputs, **case, precision="fp32"))  # fmt: skip
            if bars:
                groups.append(Group(f"{sparsity}, batch {batch}", bars))
    return _nothing_timed(groups, title) or figure(
        title,
        bar_chart(groups),
        "Samples a second in int8 over those in fp32, one thread; the line is at 1.",
        kinds_of(groups),
        [bench_command(inputs)],
    )


def _sparse_rows(inputs: Inputs) -> list[tuple[str, dict[str, Any]]]:
    """The best sparse configuration of every engine on one core."""
    found = []
    for name in engines(inputs):
        rows = [best(inputs, engine=name, sparsity=kind, threads=1)
                for kind in ("pruned", "sparse-sparse")]  # fmt: skip
        known = [row for row in rows if row]
        if known:
            row = max(known, key=lambda row: row["samples_per_second"])
            what = f"{row['sparsity']}, {row['precision']}, batch {row['batch']}"
            found.append((f"{ENGINES[name]} ({what})", row))
    return found


def sparse(inputs: Inputs) -> str:
    """Figure 4: sparse networks on CPU and FPGA."""
    title = "4. Sparse networks: processor and FPGA"
    rows = _sparse_rows(inputs)
    cores = [
        samples_bar(label, row["samples_per_second"] * card.CORES, "assumed") for label, row in rows
    ]
    ours = []
    for variant, tree in simulated(inputs):
        cycles = tree["cycles_per_sample"]
        ours.append(
            samples_bar(
                f"{NAMES[variant]}, one unit", card.unit_samples(inputs.board, cycles), "simulated"
            )
        )
        label = f"{NAMES[variant]}, card of {inputs.board.units}"
        ours.append(samples_bar(label, card.card_samples(inputs.board, cycles), "assumed"))
    others = []
    for name, known in _published(inputs):
        others.append(samples_bar(f"{name}, one network", known.single, "published"))
        others.append(samples_bar(f"{name}, {known.networks} networks", known.chip, "published"))
    groups = [
        Group("one core of this processor", [rate_bar(label, row) for label, row in rows]),
        Group(f"{card.CORES} cores, if every core is as fast as one alone", cores),
        Group(f"{fpga(inputs)}, at {inputs.board.clock_mhz} MHz", ours),
        Group(f"{fpga(inputs)}, on the card", list(_on_card(inputs))),
        Group(OTHERS, others),
    ]
    caption = (
        f"A card is taken to hold {inputs.board.units} units and to receive at most "
        f"{card.link_samples(inputs.board) / 1e6:.1f} M samples/s over PCIe. {not_shown(inputs)}"
    )
    groups = [group for group in groups if group.bars]
    if not groups:
        return absent(title, inputs.missing())
    chart = bar_chart(groups, logarithmic=True)
    return figure(title, chart, caption, kinds_of(groups), [bench_command(inputs), SIM])


def _published(inputs: Inputs) -> list[tuple[str, card.Published]]:
    """Published figures of others, which exist only for speech commands."""
    return list(card.PUBLISHED.items()) if inputs.net == "gsc" else []


def _on_card(inputs: Inputs) -> Iterable[Bar]:
    tree = inputs.card
    if tree:
        rate = tree["samples_per_second"]
        label = f"{tree['network']}, {tree['units']} units"
        spread = (rate["low"], rate["high"])
        yield Bar(label, rate["median"], "measured", f"{rate['median']:,.0f} samples/s", spread)


def speedup(inputs: Inputs) -> str:
    """Figure 5: gain from sparsity."""
    title = "5. Speed-up from sparsity"
    groups = []
    for precision, sparsity in (("fp32", "pruned"), ("int8", "pruned"), ("int8", "sparse-sparse")):
        for batch in (1, 64):
            bars: list[Bar] = []
            for name in engines(inputs):
                case = {"engine": name, "precision": precision, "batch": batch, "threads": 1}
                bars += _ratio(ENGINES[name], best(inputs, **case, sparsity=sparsity),
                               best(inputs, **case, sparsity="dense"))  # fmt: skip
            if bars:
                groups.append(Group(f"{sparsity}, {precision}, batch {batch}", bars))
    simulations = inputs.simulations
    if "dense" in simulations:
        base = simulations["dense"]["cycles_per_sample"]
        bars = [
            Bar(NAMES[variant], base / tree["cycles_per_sample"], "simulated",
                f"{base / tree['cycles_per_sample']:.1f}x", mark=1)
            for variant, tree in simulated(inputs) if variant != "dense"
        ]  # fmt: skip
        groups += [Group(f"{fpga(inputs)}, cycles of one unit", bars)] if bars else []
    base = card.PUBLISHED["dense"].chip
    others = [
        Bar(name, known.chip / base, "published", f"{known.chip / base:.1f}x", mark=1)
        for name, known in _published(inputs)
        if name != "dense"
    ]
    groups += [Group(f"{OTHERS}, whole chip", others)] if others else []
    return _nothing_timed(groups, title) or figure(
        title,
        bar_chart(groups, logarithmic=True),
        "Samples a second over those of the dense network in the same precision and batch, one "
        "thread; the line is at 1. On the FPGA, cycles of one unit of each kind, whose areas "
        f"differ. {not_shown(inputs)}",
        kinds_of(groups),
        [bench_command(inputs), SIM],
    )
