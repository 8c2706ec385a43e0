"""Options that choose a shipped network."""

import argparse

import pytest

from twofold.hw.contract import presets
from twofold.hw.contract.options import CHOICES, add_folding, add_network


def parser(net: str = "gsc", size: str = "small") -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_network(made, net)
    add_folding(made, size)
    return made


def test_every_choice_names_a_network() -> None:
    for variant in CHOICES:
        args = parser().parse_args(["--net", "tiny", "--variant", variant])
        assert presets.network(args.net, args.variant)


def test_defaults_are_those_asked_for() -> None:
    args = parser("tiny", "full").parse_args([])
    assert (args.net, args.variant, args.folding) == ("tiny", "fast", "full")


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--variant", "fastest"])
