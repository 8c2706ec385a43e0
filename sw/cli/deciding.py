"""Options of the verbs that find words in running audio."""

import argparse
from functools import partial
from typing import TYPE_CHECKING

from twofold.sw import ranges

if TYPE_CHECKING:
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.artefacts.decision import Decision

OPTIONS = {
    "hop": "ms between two windows, a multiple of 64",
    "smooth": "ms over which posteriors are averaged",
    "threshold": "averaged posterior from which on a word is found, 0..1",
    "refractory": "ms behind a word in which no other is found",
    "gate": "loudness in dB of full scale below which there is silence",
}


def add_decision(parser: argparse.ArgumentParser) -> None:
    """Declare the parameters of the decision."""
    group = parser.add_argument_group("decision (defaults: those of the network)")
    for name, text in OPTIONS.items():
        kind = ranges.Late(partial(_range, name))
        group.add_argument(f"--{name}", type=kind, metavar="X", help=text)


def _range(name: str) -> ranges.Range:
    from twofold.sw.artefacts.decision import HOP_MAX, HOP_MS, RANGES

    return ranges.whole(HOP_MS, HOP_MAX, HOP_MS) if name == "hop" else ranges.real(*RANGES[name])


def decision(args: argparse.Namespace, network: "QuantizedNetwork") -> "Decision":
    """The network's decision with what the options change. Raises ArtefactError."""
    from dataclasses import replace

    given = {name: getattr(args, name) for name in OPTIONS}
    return replace(
        network.decision, **{name: value for name, value in given.items() if value is not None}
    )
