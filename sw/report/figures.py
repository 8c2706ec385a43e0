"""The figures of the study, numbered as there; every network is named with its accuracy."""

from collections.abc import Iterable, Sequence
from typing import Any

from twofold.sw.bench.engines import ENGINES
from twofold.sw.report import card
from twofold.sw.report.charts import Group, Value, absent, bar_chart, dot_chart, figure
from twofold.sw.report.inputs import Inputs
from twofold.sw.report.select import (
    OWN,
    SIM,
    bench_command,
    best,
    engines,
    fpga,
    named,
    not_shown,
    rate,
    simulated,
    timed,
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
                    bars.append(timed(f"{ENGINES[name]}, batch {batch}", row))
        if bars:
            groups.append(Group(precision, bars))
    return _nothing_timed(groups, title) or figure(
        title,
        bar_chart(groups),
        f"Samples a second of {named(inputs, f'{inputs.net}-dense')}, {threads} "
        f"thread{'s' * (threads > 1)}; medians with quartiles.",
        groups,
        [bench_command(inputs)],
    )


def _ratio(
    label: str, above: dict[str, Any] | None, below: dict[str, Any] | None
) -> Iterable[Value]:
    if above and below:
        ratio = above["samples_per_second"] / below["samples_per_second"]
        own = above["engine"] == OWN
        yield Value(label, ratio, "measured", f"{ratio:.2f}x", mark=1, own=own)


def _networks(inputs: Inputs, *kinds: str) -> list[tuple[str, str]]:
    """Timed networks of these kinds with the kind of each, in the order of the kinds."""
    pairs = dict.fromkeys((row["sparsity"], row["network"]) for row in inputs.rows)
    return [(kind, name) for kind in kinds for sparsity, name in pairs if sparsity == kind]


def batches(inputs: Inputs) -> str:
    """Figure 2: gain from batching."""
    title = "2. Batch advantage"
    groups = []
    cases = [(network, "fp32") for _, network in _networks(inputs, "dense")]
    cases += [(name, "int8") for _, name in _networks(inputs, "dense", "pruned", "sparse-sparse")]
    for network, precision in cases:
        bars: list[Value] = []
        for name in engines(inputs):
            case = {"engine": name, "precision": precision, "network": network, "threads": 1}
            top = best(inputs, **case)
            where = f", best batch {top['batch']}" if top else ""
            bars += _ratio(f"{ENGINES[name]}{where}", top, best(inputs, **case, batch=1))
        if bars:
            groups.append(Group(f"{named(inputs, network)}, {precision}", bars))
    return _nothing_timed(groups, title) or figure(
        title,
        bar_chart(groups),
        "Samples a second at the best batch over those at batch 1, one thread. At the line, 1, "
        "batches gain nothing.",
        groups,
        [bench_command(inputs)],
    )


def quantization(inputs: Inputs) -> str:
    """Figure 3: gain from int8."""
    title = "3. Quantization"
    groups = []
    for _, network in _networks(inputs, "dense", "pruned"):
        for batch in (1, 64):
            bars: list[Value] = []
            for name in engines(inputs):
                case = {"engine": name, "network": network, "batch": batch, "threads": 1}
                bars += _ratio(ENGINES[name], best(inputs, **case, precision="int8"),
                               best(inputs, **case, precision="fp32"))  # fmt: skip
            if bars:
                groups.append(Group(f"{named(inputs, network)}, batch {batch}", bars))
    return _nothing_timed(groups, title) or figure(
        title,
        bar_chart(groups),
        "Samples a second in int8 over those in fp32, one thread; the line is at 1.",
        groups,
        [bench_command(inputs)],
    )


def _sparse_rows(inputs: Inputs) -> list[tuple[str, dict[str, Any]]]:
    """The best configuration of every engine on one core, for every sparse network."""
    found = []
    for _, network in _networks(inputs, "pruned", "sparse-sparse"):
        for name in engines(inputs):
            row = best(inputs, engine=name, network=network, threads=1)
            if row:
                what = f"{named(inputs, network)}, {row['precision']}, batch {row['batch']}"
                found.append((f"{ENGINES[name]}: {what}", row))
    return found


def sparse(inputs: Inputs) -> str:
    """Figure 4: sparse networks on CPU and FPGA."""
    title = "4. Sparse networks: processor and FPGA"
    rows = _sparse_rows(inputs)
    cores = [
        rate(label, row["samples_per_second"] * card.CORES, "assumed", own=row["engine"] == OWN)
        for label, row in rows
    ]
    ours = []
    for _, tree in simulated(inputs):
        cycles = tree["cycles_per_sample"]
        what = f"{named(inputs, tree['network'])}, folding {tree['folding']}"
        one, all_units = (
            card.unit_samples(inputs.board, cycles), card.card_samples(inputs.board, cycles),
        )  # fmt: skip
        ours.append(rate(f"{what}, one unit", one, "simulated", own=True))
        ours.append(rate(f"{what}, {inputs.board.units} units", all_units, "assumed", own=True))
    others = []
    for name, known in _published(inputs):
        label = f"{name}, {known.networks} networks"
        others.append(rate(f"{name}, one network", known.single, "published", own=False))
        others.append(rate(label, known.chip, "published", own=False))
    groups = [
        Group("one core of this processor", [timed(label, row) for label, row in rows]),
        Group(f"{card.CORES} cores, if every core is as fast as one alone", cores),
        Group(f"{fpga(inputs)}, at {inputs.board.clock_mhz} MHz", ours),
        Group(f"{fpga(inputs)}, on the card", list(_on_card(inputs))),
        Group(OTHERS, others),
    ]
    caption = (
        f"A card is taken to hold {inputs.board.units} units and to receive at most "
        f"{card.link_samples(inputs.board) / 1e6:.1f} M samples/s over PCIe. {not_shown(inputs)}"
    )
    groups = [group for group in groups if group.values]
    if not groups:
        return absent(title, inputs.missing())
    return figure(title, dot_chart(groups), caption, groups, [bench_command(inputs), SIM])


def _published(inputs: Inputs) -> list[tuple[str, card.Published]]:
    """Published figures of others, which exist only for speech commands."""
    return list(card.PUBLISHED.items()) if inputs.net == "gsc" else []


def _on_card(inputs: Inputs) -> Iterable[Value]:
    tree = inputs.card
    if tree:
        found = tree["samples_per_second"]
        label = f"{tree['network']}, {tree['units']} units"
        spread = (found["low"], found["high"])
        energy = tree["samples_per_second_per_watt"]
        text = f"{found['median']:,.0f} samples/s, {energy:,.0f} samples/J"
        yield Value(label, found["median"], "measured", text, spread, own=True)


def speedup(inputs: Inputs) -> str:
    """Figure 5: gain from sparsity."""
    title = "5. Speed-up from sparsity"
    groups = []
    cases = [("fp32", name) for _, name in _networks(inputs, "pruned")]
    cases += [("int8", name) for _, name in _networks(inputs, "pruned", "sparse-sparse")]
    for precision, network in cases:
        for batch in (1, 64):
            bars: list[Value] = []
            for name in engines(inputs):
                case = {"engine": name, "precision": precision, "batch": batch, "threads": 1}
                bars += _ratio(ENGINES[name], best(inputs, **case, network=network),
                               best(inputs, **case, sparsity="dense"))  # fmt: skip
            if bars:
                groups.append(Group(f"{named(inputs, network)}, {precision}, batch {batch}", bars))
    simulations = inputs.simulations
    if "dense" in simulations:
        base = simulations["dense"]["cycles_per_sample"]
        bars = [
            Value(named(inputs, tree["network"]), base / tree["cycles_per_sample"], "simulated",
                  f"{base / tree['cycles_per_sample']:.1f}x", mark=1, own=True)
            for variant, tree in simulated(inputs) if variant != "dense"
        ]  # fmt: skip
        groups += [Group(f"{fpga(inputs)}, folding full, cycles of one unit", bars)] if bars else []
    base = card.PUBLISHED["dense"].chip
    others = [
        Value(name, known.chip / base, "published", f"{known.chip / base:.1f}x", mark=1)
        for name, known in _published(inputs)
        if name != "dense"
    ]
    groups += [Group(f"{OTHERS}, whole chip", others)] if others else []
    return _nothing_timed(groups, title) or figure(
        title,
        dot_chart(groups),
        f"Samples a second over those of {named(inputs, f'{inputs.net}-dense')}, in the same "
        "precision and batch, one thread; the line is at 1. On the FPGA, cycles of one unit of "
        f"each kind, whose areas differ. {not_shown(inputs)}",
        groups,
        [bench_command(inputs), SIM],
    )
