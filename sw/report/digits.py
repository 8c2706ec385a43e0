"""The published network's own task, ten digits, beside the twelve words."""

from typing import Any

from twofold.sw.report import card
from twofold.sw.report.equal import shares
from twofold.sw.report.inputs import DIGITS, SPLITS, Inputs, share
from twofold.sw.report.tables import Table

COMMAND = "make digits"
"""What trains and measures the networks for ten digits."""
NOTE = (
    f"`{COMMAND}`. As in the published task, the words are zero to nine, without silence and other "
    "words, and the layers have the published sizes. What differs: the clips (a part of the data "
    "set with splits by speaker of its own, not v0.01's), features, training, winners and weights "
    "of each layer, and that here the best epoch on val is taken, which test has no part in."
)
MACHINES = (
    "Machines for ten digits, from `twofold solve` with the cycles of those for twelve words; "
    "`twofold sim` compared every layer of each digit with the golden model:"
)


def table(inputs: Inputs) -> Table:
    """Accuracy of dense, accurate and fast on both tasks, and the published one."""
    rows = [_row(inputs, variant, one) for variant, one in inputs.digits.items()]
    if rows:
        rows.append(_clips(inputs))
    head = (
        "network", "twelve words, test / val", "ten digits, test / val", "from dense",
        "95 % interval, test", "mean recall", "published, test",
    )  # fmt: skip
    return Table(head, rows)


def _row(inputs: Inputs, variant: str, one: dict[str, Any]) -> tuple[str, ...]:
    low, high = (f"{100 * bound:.1f}" for bound in one["test"]["interval95"])
    return (
        variant, shares(inputs, f"{inputs.net}-{variant}"), accuracy(one),
        _difference(inputs, variant, one), f"{low} to {high} %", recalls(one),
        card.PUBLISHED_DIGITS[variant],
    )  # fmt: skip


def _clips(inputs: Inputs) -> tuple[str, ...]:
    """What the accuracies were measured on."""
    words = inputs.accuracy(f"{inputs.net}-{next(iter(inputs.digits))}")["data"]
    published = f"{card.PUBLISHED_CLIPS:,} clips of v0.01"
    return "measured on", words, clips(inputs), "", "", "", published


def accuracy(one: dict[str, Any]) -> str:
    """Accuracy of a network for ten digits on test and val, in percent."""
    both = (f"{100 * share(one[split]):.2f}" for split in SPLITS)
    return f"{' / '.join(both)} %"


def recalls(one: dict[str, Any]) -> str:
    """Accuracy on test and val if every word had as many clips, in percent."""
    means = []
    for split in SPLITS:
        found = [share(known) for known in one[split]["per_class"].values() if known["clips"]]
        means.append(sum(found) / len(found))
    return f"{' / '.join(f'{100 * mean:.2f}' for mean in means)} %"


def clips(inputs: Inputs) -> str:
    """Numbers of clips that the networks for ten digits were measured on."""
    one = next(iter(inputs.digits.values()))
    counts = (f"{one[split]['clips']:,}" for split in SPLITS)
    return f"{' / '.join(counts)} clips, int8"


def _difference(inputs: Inputs, variant: str, one: dict[str, Any]) -> str:
    """Clips more or fewer than the dense network's that are right, on test and val."""
    dense = inputs.digits.get("dense")
    if dense is None or variant == "dense":
        return "itself" if dense else "not known"
    more = (one[split]["correct"] - dense[split]["correct"] for split in SPLITS)
    return f"{' / '.join(f'{count:+d}' for count in more)} clips"


def remark(inputs: Inputs) -> str:
    """How much one clip is, and how many there are of a word."""
    one = next(iter(inputs.digits.values()))
    ranges = {
        split: [known["clips"] for known in one[split]["per_class"].values()] for split in SPLITS
    }
    test, val = (f"{min(counts)} to {max(counts)}" for counts in ranges.values())
    return (
        f"A clip of test is {100 / one['test']['clips']:.1f} points, so that a few clips more or "
        f"fewer are within chance; a word has {test} clips in test, {val} in val. The mean recall, "
        "on test / val, is the accuracy if every word had the same number. "
        f"{card.PUBLISHED_DIGITS_SOURCE}"
    )


def machines(inputs: Inputs) -> Table:
    """The machine with the networks for ten digits."""
    rows = [
        (variant, f"{tree['samples']:,}", str(tree["mismatches"]),
         f"{tree['cycles_per_sample']:,.1f}", _twelve(inputs, variant),
         f"{tree['latency_cycles']:,}",
         f"{card.card_samples(inputs.board, tree['cycles_per_sample']):,.0f}")
        for variant in DIGITS
        if (tree := inputs.digits.get(variant, {}).get("simulation"))
    ]  # fmt: skip
    head = ("network", "digits simulated", "mismatches", "cycles a digit", "cycles a word",
            "latency, cycles", "digits/s, card")  # fmt: skip
    return Table(head, rows)


def _twelve(inputs: Inputs, variant: str) -> str:
    """Cycles of the machine for twelve words."""
    tree = inputs.simulations.get(variant)
    return f"{tree['cycles_per_sample']:,.1f}" if tree else "not simulated"


def section(inputs: Inputs) -> list[str]:
    """Paragraphs and tables for the page of results; empty if no network was measured."""
    if not inputs.digits:
        return []
    parts = [NOTE, table(inputs).markdown(), remark(inputs)]
    if machines(inputs).rows:
        parts += [MACHINES, machines(inputs).markdown()]
    return parts
