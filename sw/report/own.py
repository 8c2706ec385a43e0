"""The figures of this machine: speed and work, roofline, latency, area."""

from twofold.sw.bench.engines import ENGINES
from twofold.sw.report import card
from twofold.sw.report.charts import Group, Value, absent, bar_chart, dot_chart, figure
from twofold.sw.report.inputs import NAMES, VARIANTS, Inputs
from twofold.sw.report.roofline import Point, Roof, roofline
from twofold.sw.report.select import (
    OWN,
    SIM,
    bench_command,
    best,
    engines,
    fpga,
    named,
    not_shown,
    simulated,
)  # fmt: skip


def work(inputs: Inputs) -> str:
    """Ours: samples per second and multiplications per sample."""
    title = "6. Samples a second and multiplications a sample"
    found = simulated(inputs)
    if not found:
        return absent(title, inputs.missing("simulation"))
    rates, products = [], []
    for _, tree in found:
        label = f"{named(inputs, tree['network'])}, folding {tree['folding']}"
        cycles, products_each = tree["cycles_per_sample"], tree["multiplications"]
        each = card.unit_samples(inputs.board, cycles)
        text = f"{each:,.0f} samples/s, {cycles:,.0f} cycles"
        rates.append(Value(label, each, "simulated", text, own=True))
        products.append(Value(label, products_each, "simulated", f"{products_each:,}", own=True))
    whole = found[0][1]["multiplications_dense"]
    speed = [Group(f"samples a second of one unit, {inputs.board.clock_mhz} MHz", rates)]
    effort = [Group("multiplications a sample", products)]
    return figure(
        title,
        dot_chart(speed) + dot_chart(effort),
        "Multiplications are products of a non-zero activation with a stored weight, counted over "
        f"the simulated samples; all weights and pixels would be {whole:,}. {not_shown(inputs)}",
        [*speed, *effort],
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
        [Group("", [Value("", 0, "assumed", "", own=True), Value("", 0, "published", "")])],
        [SIM],
    )  # fmt: skip


def latency(inputs: Inputs) -> str:
    """Ours: latency from a sample to its result."""
    title = "8. Latency of a sample"
    ours = [
        Value(f"{named(inputs, tree['network'])}, folding {tree['folding']}",
              tree["latency_cycles"] / inputs.board.clock_mhz, "simulated",
              f"{tree['latency_cycles'] / inputs.board.clock_mhz:.2f} us, "
              f"{tree['latency_cycles']:,} cycles", own=True)
        for _, tree in simulated(inputs)
    ]  # fmt: skip
    processor = []
    for name in engines(inputs):
        row = best(inputs, engine=name, batch=1)
        if row:
            time = 1e6 / row["samples_per_second"]
            label = f"{ENGINES[name]}: {named(inputs, row['network'])}, {row['precision']}"
            own = name == OWN
            processor.append(Value(label, time, "measured", f"{time:,.1f} us", own=own))
    groups = [
        Group(
            f"core of the {fpga(inputs)}, {inputs.board.clock_mhz} MHz, without PCIe and host", ours
        ),
        Group("processor, batch 1, the engine's fastest network", processor),
    ]
    groups = [group for group in groups if group.values]
    if not groups:
        return absent(title, inputs.missing())
    return figure(
        title,
        dot_chart(groups),
        "Time from the first byte of a sample to its result; on the processor, time of a call. "
        f"{not_shown(inputs)}",
        groups,
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
                Value(text, 100 * tree["share_of_slr"][name], "estimated",
                      f"{100 * tree['share_of_slr'][name]:.1f} % ({tree[name]:,})",
                      mark=100 * getattr(board.ceilings, name), own=True)
                for name, text in RESOURCES.items()
            ]  # fmt: skip
            groups.append(Group(f"{NAMES[variant]}, folding {tree['folding']}", bars))
    if not groups:
        return absent(title, inputs.missing("area"))
    return figure(
        title, bar_chart(groups),
        f"Shares of {whole}; the line across a bar is the ceiling for closing timing.",
        groups, ["twofold resources --variant VARIANT"],
    )  # fmt: skip
