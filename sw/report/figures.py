"""The figures: those of the study by its numbers, then ours."""

from collections.abc import Iterable
from typing import Any

from sw.bench.engines import ENGINES
from sw.report import card
from sw.report.charts import Bar, Group, absent, bar_chart, figure, kinds_of
from sw.report.inputs import NAMES, VARIANTS, Inputs
from sw.report.roofline import Point, Roof, roofline

BENCH = "twofold bench"
SIM = "twofold sim --variant VARIANT --folding full --words 100"
FPGA = "U250, this machine"
OTHERS = "U250, Numenta"


def engines(inputs: Inputs) -> list[str]:
    """Engines with something timed, in the usual order."""
    timed = {row["engine"] for row in inputs.rows}
    return [name for name in ENGINES if name in timed]


def best(inputs: Inputs, **wanted: Any) -> dict[str, Any] | None:
    """The fastest row whose fields have these values."""
    rows = [row for row in inputs.rows if all(row[key] == wanted[key] for key in wanted)]
    return max(rows, key=lambda row: row["words_per_second"], default=None)


def all_threads(inputs: Inputs) -> int:
    """The largest number of threads that was timed."""
    return max((row["threads"] for row in inputs.rows), default=1)


def rate_bar(label: str, row: dict[str, Any]) -> Bar:
    """Words a second of a row."""
    low, high = row["spread"]
    rate = row["words_per_second"]
    return Bar(label, rate, "measured", f"{rate:,.0f} words/s", (low, high))


def _bench_command(inputs: Inputs) -> str:
    return inputs.bench["command"] if inputs.bench else BENCH


def _missing_bench(inputs: Inputs, title: str) -> str | None:
    if inputs.rows:
        return None
    return absent(title, ["no timings of the processor: run `twofold bench`"])


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
    return _missing_bench(inputs, title) or figure(
        title,
        bar_chart(groups),
        f"Words a second of the dense network, {threads} thread{'s' * (threads > 1)}; "
        "medians with quartiles.",
        kinds_of(groups),
        [_bench_command(inputs)],
    )


def _ratio(label: str, above: dict[str, Any] | None, below: dict[str, Any] | None) -> Iterable[Bar]:
    if above and below:
        ratio = above["words_per_second"] / below["words_per_second"]
        yield Bar(label, ratio, "measured", f"{ratio:.2f}x", mark=1)


def batches(inputs: Inputs) -> str:
    """Figure 2: what a batch is worth."""
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
    return _missing_bench(inputs, title) or figure(
        title,
        bar_chart(groups),
        "Words a second at the best batch over those at batch 1, one thread. At the line, 1, "
        "batches gain nothing.",
        kinds_of(groups),
        [_bench_command(inputs)],
    )


def quantization(inputs: Inputs) -> str:
    """Figure 3: what int8 is worth."""
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
    return _missing_bench(inputs, title) or figure(
        title,
        bar_chart(groups),
        "Words a second in int8 over those in fp32, one thread; the line is at 1.",
        kinds_of(groups),
        [_bench_command(inputs)],
    )


def _sparse_rows(inputs: Inputs) -> list[tuple[str, dict[str, Any]]]:
    """The best sparse configuration of every engine on one core."""
    found = []
    for name in engines(inputs):
        rows = [best(inputs, engine=name, sparsity=kind, threads=1)
                for kind in ("pruned", "sparse-sparse")]  # fmt: skip
        known = [row for row in rows if row]
        if known:
            row = max(known, key=lambda row: row["words_per_second"])
            what = f"{row['sparsity']}, {row['precision']}, batch {row['batch']}"
            found.append((f"{ENGINES[name]} ({what})", row))
    return found


def sparse(inputs: Inputs) -> str:
    """Figure 4: sparse networks on processor and FPGA."""
    title = "4. Sparse networks: processor and FPGA"
    rows = _sparse_rows(inputs)
    cores = [
        Bar(
            label, row["words_per_second"] * card.CORES, "assumed",
            f"{row['words_per_second'] * card.CORES:,.0f} words/s",
        )
        for label, row in rows
    ]  # fmt: skip
    ours = []
    for variant, tree in _simulated(inputs):
        cycles = tree["cycles_per_word"]
        ours.append(_fpga_bar(f"{NAMES[variant]}, one unit", card.unit_words(cycles), "simulated"))
        label = f"{NAMES[variant]}, card of {card.UNITS}"
        ours.append(_fpga_bar(label, card.card_words(cycles), "assumed"))
    others = []
    for name, known in card.PUBLISHED.items():
        others.append(_fpga_bar(f"{name}, one network", known.single, "published"))
        others.append(_fpga_bar(f"{name}, {known.networks} networks", known.chip, "published"))
    groups = [
        Group("one core of this processor", [rate_bar(label, row) for label, row in rows]),
        Group(f"{card.CORES} cores, if every core is as fast as one alone", cores),
        Group(f"{FPGA}, at {card.CLOCK_MHZ} MHz", ours),
        Group(OTHERS, others),
    ]
    caption = (
        f"A card is taken to hold {card.UNITS} units and to receive at most "
        f"{card.PCIE_WORDS / 1e6:.1f} M words/s over PCIe. "
        + " ".join(f"Not shown: {line}." for line in _plain(inputs.missing()))
    )
    groups = [group for group in groups if group.bars]
    chart = bar_chart(groups, logarithmic=True)
    return figure(title, chart, caption, kinds_of(groups), [_bench_command(inputs), SIM])


def _fpga_bar(label: str, rate: float, kind: str) -> Bar:
    return Bar(label, rate, kind, f"{rate:,.0f} words/s")


def _plain(lines: Iterable[str]) -> list[str]:
    return [line.partition(":")[0] for line in lines if "area" not in line]


def _simulated(inputs: Inputs) -> list[tuple[str, dict[str, Any]]]:
    return [(name, inputs.simulations[name]) for name in VARIANTS if name in inputs.simulations]


def speedup(inputs: Inputs) -> str:
    """Figure 5: what sparsity is worth."""
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
        base = simulations["dense"]["cycles_per_word"]
        bars = [
            Bar(NAMES[variant], base / tree["cycles_per_word"], "simulated",
                f"{base / tree['cycles_per_word']:.1f}x")
            for variant, tree in _simulated(inputs) if variant != "dense"
        ]  # fmt: skip
        groups.append(Group(f"{FPGA}, cycles of one unit", bars))
    base = card.PUBLISHED["dense"].chip
    groups.append(
        Group(f"{OTHERS}, whole chip", [
            Bar(name, known.chip / base, "published", f"{known.chip / base:.1f}x")
            for name, known in card.PUBLISHED.items() if name != "dense"
        ])
    )  # fmt: skip
    lines = [line for line in _plain(inputs.missing()) if "dense" in line or "timings" in line]
    return figure(
        title,
        bar_chart(groups, logarithmic=True),
        "Words a second over those of the dense network in the same precision and batch, one "
        "thread; the line is at 1. " + " ".join(f"Not shown: {line}." for line in lines),
        kinds_of(groups),
        [_bench_command(inputs), SIM],
    )


def work(inputs: Inputs) -> str:
    """Ours: words a second and multiplications a word."""
    title = "6. Words a second and multiplications a word"
    found = _simulated(inputs)
    if not found:
        return absent(title, inputs.missing()[1:])
    rates = [
        Bar(f"{NAMES[variant]}, {tree['cycles_per_word']:,.0f} cycles",
            card.unit_words(tree["cycles_per_word"]), "simulated",
            f"{card.unit_words(tree['cycles_per_word']):,.0f} words/s")
        for variant, tree in found
    ]  # fmt: skip
    products = [
        Bar(NAMES[variant], tree["multiplications"], "simulated", f"{tree['multiplications']:,}")
        for variant, tree in found
    ]
    whole = found[0][1]["multiplications_dense"]
    products.append(Bar("dense, all weights and pixels", whole, "assumed", f"{whole:,}"))
    return figure(
        title,
        bar_chart([Group(f"words a second of one unit, {card.CLOCK_MHZ} MHz", rates)],
                  logarithmic=True)
        + bar_chart([Group("multiplications a word", products)], logarithmic=True),
        "Multiplications are products of a non-zero activation with a stored weight, counted over "
        "the simulated words; those of all weights and pixels follow from the shapes.",
        ["simulated", "assumed"], [SIM],
    )  # fmt: skip


def roof(inputs: Inputs) -> str:
    """Ours: the limits of the card."""
    title = "7. Roofline of the card"
    found = _simulated(inputs)
    if not found:
        return absent(title, inputs.missing()[1:])
    points = [
        Point(f"{NAMES[variant]}, {card.UNITS} units", tree["multiplications"],
              card.card_words(tree["cycles_per_word"]), "assumed")
        for variant, tree in found
    ]  # fmt: skip
    whole = found[0][1]["multiplications_dense"]
    points.append(
        Point("dense, Numenta", whole, card.PUBLISHED["dense"].chip, "published")
    )  # fmt: skip
    left, right = 1e5, 3e7
    roofs = [
        Roof(f"all {card.DSP:,} DSP, {card.PRODUCTS_PER_DSP} products each, "
             f"{card.CLOCK_MHZ} MHz", ((left, card.PEAK_PRODUCTS / left),
                                       (right, card.PEAK_PRODUCTS / right))),
        Roof(f"PCIe, {card.WORD_BYTES} bytes a word",
             ((left, card.PCIE_WORDS), (right, card.PCIE_WORDS))),
    ]  # fmt: skip
    return figure(
        title, roofline(points, roofs),
        f"Cycles are simulated; the clock and {card.UNITS} units on a card are assumed.",
        ["assumed", "published"], [SIM],
    )  # fmt: skip


def latency(inputs: Inputs) -> str:
    """Ours: from a word to its result."""
    title = "8. Latency of a word"
    ours = [
        Bar(f"{NAMES[variant]}, {tree['latency_cycles']:,} cycles",
            tree["latency_cycles"] / card.CLOCK_MHZ, "simulated",
            f"{tree['latency_cycles'] / card.CLOCK_MHZ:.2f} us")
        for variant, tree in _simulated(inputs)
    ]  # fmt: skip
    processor = []
    for name in engines(inputs):
        row = best(inputs, engine=name, batch=1)
        if row:
            time = 1e6 / row["words_per_second"]
            label = f"{ENGINES[name]}, {row['sparsity']}, {row['precision']}"
            processor.append(Bar(label, time, "measured", f"{time:,.1f} us"))
    groups = [
        Group(f"core of the {FPGA}, {card.CLOCK_MHZ} MHz, without PCIe and host", ours),
        Group("processor, batch 1, the engine's fastest network", processor),
    ]
    groups = [group for group in groups if group.bars]
    if not groups:
        return absent(title, inputs.missing())
    return figure(
        title,
        bar_chart(groups, logarithmic=True),
        "Time from the first byte of a word to its result; on the processor, time of a call.",
        kinds_of(groups),
        [_bench_command(inputs), SIM],
    )


RESOURCES = {"lut": "LUT", "ff": "FF", "bram36": "BRAM", "uram": "URAM", "dsp": "DSP"}
CEILINGS = {"lut": 0.7, "ff": 0.5, "bram36": 0.8, "uram": 0.8, "dsp": 0.8}
"""Shares of a super logic region above which designs are known to miss their clock."""


def area(inputs: Inputs) -> str:
    """Ours: what a unit takes of a super logic region."""
    title = "9. Area of a unit"
    groups = []
    for variant in VARIANTS:
        tree = inputs.resources.get(variant)
        if tree:
            bars = [
                Bar(text, 100 * tree["share_of_slr"][name], "estimated",
                    f"{100 * tree['share_of_slr'][name]:.1f} % ({tree[name]:,})",
                    mark=100 * CEILINGS[name])
                for name, text in RESOURCES.items()
            ]  # fmt: skip
            groups.append(Group(f"{NAMES[variant]}, folding {tree['folding']}", bars))
    if not groups:
        return absent(title, [line for line in inputs.missing() if "area" in line])
    return figure(
        title, bar_chart(groups),
        "Shares of one of the four super logic regions of a U250; the line across a bar is the "
        "ceiling for closing timing.",
        ["estimated"], ["twofold resources --variant VARIANT"],
    )  # fmt: skip


def every(inputs: Inputs) -> list[str]:
    """All figures, in order."""
    return [
        dense(inputs, 1, "1a. Dense network, one thread"),
        dense(inputs, all_threads(inputs), "1b. Dense network, all threads"),
        batches(inputs),
        quantization(inputs),
        sparse(inputs),
        speedup(inputs),
        work(inputs),
        roof(inputs),
        latency(inputs),
        area(inputs),
    ]
