"""Options of a command line that choose a shipped network and its machine."""

import argparse

from twofold.hw.contract.presets import ALIASES, NETWORKS, SIZES, VARIANTS

CHOICES = (*VARIANTS, *ALIASES)
"""What `--variant` takes."""


def add_network(parser: argparse.ArgumentParser, net: str = "gsc") -> None:
    """Declare ``--net`` and ``--variant``; ``net`` is the default of the first."""
    parser.add_argument(
        "--net", choices=NETWORKS, default=net, help="shipped network (default: %(default)s)"
    )
    add_variant(parser)


def add_variant(parser: argparse.ArgumentParser) -> None:
    """Declare ``--variant``."""
    parser.add_argument(
        "--variant",
        choices=CHOICES,
        default="fast",
        help="of the shipped network (default: %(default)s)",
    )


def add_folding(
    parser: argparse.ArgumentParser, size: str = "small", what: str = "size of the machine"
) -> None:
    """Declare ``--folding``; ``size`` is its default, ``what`` says what it is the size of."""
    parser.add_argument(
        "--folding", choices=SIZES, default=size, help=f"{what} (default: %(default)s)"
    )
