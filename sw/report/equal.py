"""Accuracies beside speeds, and which networks may be compared: those as accurate as the dense one.

A comparison of speeds means something between networks of one accuracy. `contenders` names those
within half a point of the dense network; where none of a kind is, it names the one that comes
closest, and says how far it is.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from twofold.sw.report.inputs import SPLITS, Inputs

HALF_POINT = 0.005
"""How far below the dense network a network of equal accuracy may be, as a share."""
ROUNDING = 1e-9


def gap(inputs: Inputs, network: str) -> float | None:
    """How far a network is below the dense one, as a share; the wider of both splits' gaps.

    Negative where it is better on both. None if one of the accuracies is not known.
    """
    dense, own = inputs.accuracy(f"{inputs.net}-dense"), inputs.accuracy(network)
    gaps = [
        dense[split] - own[split]
        for split in SPLITS
        if dense[split] is not None and own[split] is not None
    ]
    return max(gaps, default=None)


def is_equal(inputs: Inputs, network: str) -> bool:
    """Whether a network is within half a point of the dense one, on both splits."""
    found = gap(inputs, network)
    return found is not None and found <= HALF_POINT + ROUNDING


def contenders(inputs: Inputs, networks: Iterable[str]) -> list[str]:
    """Those of equal accuracy; else the one that comes closest; else, not knowing, all of them."""
    names = list(dict.fromkeys(networks))
    equal = [name for name in names if is_equal(inputs, name)]
    if equal:
        return equal
    gaps = {name: gap(inputs, name) for name in names}
    known = {name: width for name, width in gaps.items() if width is not None}
    return [min(known, key=lambda name: known[name])] if known else names


def shares(inputs: Inputs, network: str) -> str:
    """Accuracy of a network on test and val, in percent, as in ``94.05 / 96.06 %``."""
    known = inputs.accuracy(network)
    if all(known[split] is None for split in SPLITS):
        return "accuracy not known"
    return f"{' / '.join(_percent(known[split]) for split in SPLITS)} %"


def distance(inputs: Inputs, network: str) -> str:
    """A network's distance from the dense one in words."""
    width = gap(inputs, network)
    if network == f"{inputs.net}-dense":
        return "itself"
    if width is None:
        return "not known"
    if width <= HALF_POINT + ROUNDING:
        return "within half a point"
    return f"{100 * width:.1f} points below"


def heading(inputs: Inputs, networks: Sequence[str]) -> str:
    """At what accuracy these networks are compared, for a title."""
    if all(is_equal(inputs, name) for name in networks):
        return "at equal accuracy"
    return "at the accuracy closest to the dense network's"


def remark(inputs: Inputs, networks: Sequence[str]) -> str:
    """What equal means, and which of these networks are not of equal accuracy."""
    rule = "Equal means within half a point of the dense network, on test and on val."
    apart = [name for name in dict.fromkeys(networks) if not is_equal(inputs, name)]
    if not apart:
        return f"{rule} All of these networks are."
    listed = ", ".join(f"{name} ({distance(inputs, name)})" for name in apart)
    return f"{rule} Where a kind has no such network, its closest stands in: {listed}."


def _percent(share: Any) -> str:
    return "?" if share is None else f"{100 * share:.2f}"
