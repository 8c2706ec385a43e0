"""Options of the verbs that may compute on a cluster, and joining it."""

import argparse
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.sw.cli.device import named_bitstream
from twofold.sw.cli.options import machine_for
from twofold.sw.errors import InputError

if TYPE_CHECKING:
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.rack.rack import Scale
    from twofold.sw.rack.replica import Plan

MOST = 4096
"""Replicas."""


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a cluster."""
    group = parser.add_argument_group("cluster")
    group.add_argument(
        "--ray", action="store_true",
        help="compute on a cluster of Ray (twofold[ray]): a replica a card",
    )  # fmt: skip
    group.add_argument(
        "--cluster", metavar="ADDRESS",
        help="of Ray (default: $RAY_ADDRESS, the one on this host, else one for the time being)",
    )  # fmt: skip
    group.add_argument(
        "--replicas", default="1", metavar="N[:M]",
        help="how many, or at least and at most (%(default)s)",
    )  # fmt: skip


def cluster(args: argparse.Namespace) -> AbstractContextManager[Any]:
    """The package ray, connected. Raises ToolError, InputError."""
    from twofold.sw.rack.cluster import joined

    scale_of(args)
    return joined(args.cluster)


def scale_of(args: argparse.Namespace) -> "Scale":
    """Numbers of replicas. Raises InputError."""
    from twofold.sw.rack.rack import Scale

    found = re.fullmatch(r"(\d{1,4})(?::(\d{1,4}))?", args.replicas, re.ASCII)
    least = int(found[1]) if found else 0
    most = int(found[2] or least) if found else 0
    if not 1 <= least <= most <= MOST:
        raise InputError(f"--replicas is {args.replicas}, needs N or N:M, 1..{MOST}")
    return Scale(least, most)


def plan_for(args: argparse.Namespace, network: "QuantizedNetwork", file: Path) -> "Plan":
    """What the replicas of a network, read from ``file``, are made of."""
    from twofold.sw.rack.replica import Plan

    machine = machine_for(args, network.network)
    return Plan(file.read_bytes(), machine.folding, args.device, named_bitstream(args), args.build)
