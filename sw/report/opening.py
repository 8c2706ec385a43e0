"""What the page opens with: one chart at equal accuracy, three tiles, and the ratios behind it."""

from collections.abc import Sequence
from html import escape
from typing import Any

from twofold.sw.bench.engines import ENGINES
from twofold.sw.report import card
from twofold.sw.report.charts import Group, Value, absent, dot_chart, figure
from twofold.sw.report.equal import distance, heading, remark, shares
from twofold.sw.report.inputs import Inputs
from twofold.sw.report.select import SIM, bench_command
from twofold.sw.report.speeds import Speed, fastest, on_fpga, one_thread, speeds
from twofold.sw.report.tables import Table

TITLE = "Words a second"
WHOLE_GPU = "A GPU is measured as a whole, with the transfers over PCIe. "


def chart(inputs: Inputs) -> str:
    """The first chart."""
    found = speeds(inputs)
    if not found:
        return absent(TITLE, inputs.missing())
    groups = [
        Group(step, [_value(inputs, speed) for speed in found if speed.step == step])
        for step in dict.fromkeys(speed.step for speed in found)
    ]
    caption = (
        "One core of this processor and, extrapolated, 24 of them; one compute unit and, "
        f"extrapolated, a card of {inputs.board.units} at {inputs.board.clock_mhz} MHz, bounded by "
        "PCIe. Beside each network: its int8 accuracy on test / val. "
        f"{WHOLE_GPU if any(speed.gpu for speed in found) else ''}"
        f"{remark(inputs, [speed.network for speed in found])}"
    )
    title = f"{TITLE} {heading(inputs, [speed.network for speed in found])}"
    return figure(title, dot_chart(groups), caption, groups, [bench_command(inputs), SIM])


def _value(inputs: Inputs, speed: Speed) -> Value:
    label = f"{speed.where}: {speed.network} ({shares(inputs, speed.network)}), {speed.how}"
    if speed.gpu:
        return Value(label, speed.rate, speed.kind, f"{speed.rate:,.0f}/s", own=speed.own)
    whole = f"{card.CORES} cores" if speed.kind == "measured" else f"{inputs.board.units} units"
    return Value(
        label,
        speed.rate,
        speed.kind,
        f"{speed.rate:,.0f}/s, {whole} {speed.whole:,.0f}/s",
        own=speed.own,
        beyond=(speed.whole, "assumed"),
    )


def tiles(inputs: Inputs) -> list[tuple[str, str]]:
    """Up to three figures and what each of them means."""
    machine, other = on_fpga(inputs), fastest(one_thread(inputs), own=False)
    tree, found = _simulation(inputs, machine), []
    if machine and other:
        ratio = machine.whole / (other["samples_per_second"] * card.CORES)
        text = (
            f"a card with {machine.network} ({shares(inputs, machine.network)}) over {card.CORES} "
            f"cores with the fastest other engine, {ENGINES[other['engine']]} with "
            f"{other['network']} ({shares(inputs, other['network'])}); both extrapolated"
        )
        found.append((f"{ratio:,.1f}x", text))
    if tree:
        products, whole = tree["multiplications"], tree["multiplications_dense"]
        text = (
            f"of the multiplications: {products:,} a word by {tree['network']}, {whole:,} if "
            "nothing was left out"
        )
        found.append((f"1/{whole / products:.0f}", text))
    if inputs.simulations:
        samples, wrong = verified(inputs)
        text = "words through the RTL differ from PyTorch's integers in any bit of any layer"
        found.append((f"{wrong} of {samples:,}", text))
    return found


def verified(inputs: Inputs) -> tuple[int, int]:
    """Samples through the RTL of all variants, and mismatches."""
    trees = inputs.simulations.values()
    return sum(tree["samples"] for tree in trees), sum(tree["mismatches"] for tree in trees)


def _simulation(inputs: Inputs, machine: Speed | None) -> dict[str, Any] | None:
    trees = inputs.simulations.values()
    return next((tree for tree in trees if machine and tree["network"] == machine.network), None)


def tiles_html(inputs: Inputs) -> str:
    """The tiles side by side."""
    parts = (
        f'<div class="tile"><b>{escape(number)}</b><span>{escape(text)}</span></div>'
        for number, text in tiles(inputs)
    )
    return f'<div class="tiles">{"".join(parts)}</div>'


def ratios(inputs: Inputs) -> Table:
    """Our CPU engine over the best other one on one core, at equal accuracy."""
    rows = []
    for name, batch in (("1", 1), ("64", 64), ("best of each", None)):
        found = [row for row in one_thread(inputs) if batch in (None, row["batch"])]
        ours, other = fastest(found, own=True), fastest(found, own=False)
        if ours and other:
            ratio = ours["samples_per_second"] / other["samples_per_second"]
            told = (described(inputs, ours), described(inputs, other))
            rows.append((name, f"{ratio:.1f}x", *told))
    return Table(("batch", "ratio", "Twofold", "fastest other engine"), rows)


def described(inputs: Inputs, row: dict[str, Any]) -> str:
    """A timing with its network and accuracy."""
    return (
        f"{row['samples_per_second']:,.0f}/s: {ENGINES[row['engine']]}, {row['network']} "
        f"({shares(inputs, row['network'])}), {row['precision']}, batch {row['batch']}"
    )


def accuracies(inputs: Inputs) -> Table:
    """Accuracy of every network, and its distance from the dense one."""
    rows = []
    for name in networks(inputs):
        known = inputs.accuracy(name)
        test, val = (_percent(known[split]) for split in ("test", "val"))
        rows.append((name, test, val, distance(inputs, name), known["data"]))
    head = ("network", "test, %", "val, %", "from the dense network", "measured on")
    return Table(head, rows)


def networks(inputs: Inputs) -> Sequence[str]:
    """Names of all networks that were timed, simulated or evaluated."""
    named = [
        *(inputs.bench or {}).get("accuracies", {}),
        *(row["network"] for row in inputs.rows),
        *(tree["network"] for tree in inputs.simulations.values()),
    ]
    return list(dict.fromkeys(named))


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.2f}"
