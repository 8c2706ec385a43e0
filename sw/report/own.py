"""The figures of this machine: speed and work, roofline, latency, area."""

from twofold.sw.bench.engines import ENGINES
from twofold.sw.report import card
from twofold.sw.report.charts import Bar, Group, absent, bar_chart, figure, kinds_of
from twofold.sw.report.inputs import NAMES, VARIANTS, Inputs
from twofold.sw.report.roofline import Point, Roof, roofline
from twofold.sw.report.select import SIM, bench_command, best, engines, fpga, not_shown, simulated


def work(inputs: Inputs) -> str:
    """Ours: samples per second and multiplications per sample."""
    title = "6. Samples a second and multiplications a sample"
    found = simulated(inputs)
    if not found:
        return absent(title, inputs.missing("simulation"))
    rates = [
        Bar(f"{NAMES[variant]}, {tree['cycles_per_sample']:,.0f} cycles",
            card.unit_samples(inputs.board, tree["cycles_per_sample"]), "simulated",
            f"{card.unit_samples(inputs.board, tree['cycles_per_sample']):,.0f} samples/s")
        for variant, tree in found
    ]  # fmt: skip
    products = [
        Bar(NAMES[variant], tree["multiplications"], "simulated", f"{tree['multiplications']:,}")
        for variant, tree in found
    ]
    whole = found[0][1]["multiplications_dense"]
    chart = bar_chart(
        [Group(f"samples a second of one unit, {inputs.board.clock_mhz} MHz", rates)],
        logarithmic=True,
    )
    return figure(
        title,
        chart + bar_chart([Group("multiplications a sample", products)], logarithmic=True),
        "Multiplications are products of a non-zero activation with a stored weight, counted over "
        f"the simulated samples; all weights and pixels would be {whole:,}. {not_shown(inputs)}",
        ["simulated"],
        [SIM],
    )


def roof(inputs: Inputs) -> str:
    """Ours: the limits of the card."""
    title = "7. Roofline of the card"
    found = simulated(inputs)
    if not found:
        return absent(title, inputs.missing("simulation"))
    points = [
        Point(f"{NAMES[variant]}, {inputs.board.units} units", tree["multiplications"],
              card.card_samples(inputs.board, tree["cycles_per_sample"]), "assumed")
        for variant, tree in found
    ]  # fmt: skip
    whole = found[0][1]["multiplications_dense"]
    points.append(
        Point("dense, Numenta", whole, card.PUBLISHED["dense"].chip, "published")
    )  # fmt: skip
    left, right = 1e5, 3e7
    board, peak = inputs.board, card.peak_products(inputs.board)
    samples, each = card.link_samples(board), board.family.products_per_dsp
    roofs = [
        Roof(f"all {board.total.dsp:,} DSP, {each} products each, {board.clock_mhz} MHz",
             ((left, peak / left), (right, peak / right))),
        Roof(f"PCIe, {card.SAMPLE_BYTES} bytes a sample", ((left, samples), (right, samples))),
    ]  # fmt: skip
    return figure(
        title, roofline(points, roofs),
        f"Cycles are simulated; the clock and {inputs.board.units} units on a card are assumed. "
        f"{not_shown(inputs)}",
        ["assumed", "published"], [SIM],
    )  # fmt: skip


def latency(inputs: Inputs) -> str:
    """Ours: latency from a sample to its result."""
    title = "8. Latency of a sample"
    ours = [
        Bar(f"{NAMES[variant]}, {tree['latency_cycles']:,} cycles",
            tree["latency_cycles"] / inputs.board.clock_mhz, "simulated",
            f"{tree['latency_cycles'] / inputs.board.clock_mhz:.2f} us")
        for variant, tree in simulated(inputs)
    ]  # fmt: skip
    processor = []
    for name in engines(inputs):
        row = best(inputs, engine=name, batch=1)
        if row:
            time = 1e6 / row["samples_per_second"]
            label = f"{ENGINES[name]}, {row['sparsity']}, {row['precision']}"
            processor.append(Bar(label, time, "measured", f"{time:,.1f} us"))
    groups = [
        Group(
            f"core of the {fpga(inputs)}, {inputs.board.clock_mhz} MHz, without PCIe and host", ours
        ),
        Group("processor, batch 1, the engine's fastest network", processor),
    ]
    groups = [group for group in groups if group.bars]
    if not groups:
        return absent(title, inputs.missing())
    return figure(
        title,
        bar_chart(groups, logarithmic=True),
        "Time from the first byte of a sample to its result; on the processor, time of a call. "
        f"{not_shown(inputs)}",
        kinds_of(groups),
        [bench_command(inputs), SIM],
    )


RESOURCES = {"lut": "LUT", "ff": "FF", "bram36": "BRAM", "uram": "URAM", "dsp": "DSP"}
COUNTS = ("no", "one", "two", "three", "four")
"""Small numbers in words."""


def area(inputs: Inputs) -> str:
    """Ours: share of a super logic region that a unit takes.

    The mark is the share above which designs are known to miss timing.
    """
    board = inputs.board
    count = COUNTS[board.units] if board.units < len(COUNTS) else str(board.units)
    whole = f"one of the {count} super logic regions of a {board.label}"
    if board.units == 1:
        whole = f"a {board.label}"
    title = "9. Area of a unit"
    groups = []
    for variant in VARIANTS:
        tree = inputs.resources.get(variant)
        if tree:
            bars = [
                Bar(text, 100 * tree["share_of_slr"][name], "estimated",
                    f"{100 * tree['share_of_slr'][name]:.1f} % ({tree[name]:,})",
                    mark=100 * getattr(board.ceilings, name))
                for name, text in RESOURCES.items()
            ]  # fmt: skip
            groups.append(Group(f"{NAMES[variant]}, folding {tree['folding']}", bars))
    if not groups:
        return absent(title, inputs.missing("area"))
    return figure(
        title, bar_chart(groups),
        f"Shares of {whole}; the line across a bar is the ceiling for closing timing.",
        ["estimated"], ["twofold resources --variant VARIANT"],
    )  # fmt: skip
