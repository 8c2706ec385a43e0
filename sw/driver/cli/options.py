"""Options that the commands share."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.hw.contract.options import add_folding, add_network
from twofold.hw.contract.presets import canonical_variant

if TYPE_CHECKING:
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.driver import Accelerator

XCLBIN_VARIABLE = "TWOFOLD_XCLBIN"


def add_device(parser: argparse.ArgumentParser) -> None:
    """Declare which network runs on which device."""
    parser.add_argument(
        "--device",
        default="auto",
        metavar="NAME",
        help="auto, cpu, golden, rtl, xrt[:n] or pynq[:n] (default: a card, else the CPU engine)",
    )
    parser.add_argument(
        "--xclbin",
        type=Path,
        default=os.environ.get(XCLBIN_VARIABLE) or None,
        metavar="FILE",
        help=f"bitstream (default: ${XCLBIN_VARIABLE}, else one that fits in bitstreams/)",
    )
    add_network(parser)
    parser.add_argument("--network", type=Path, help="quantized network (.npz) to take instead")
    add_folding(parser, what="machine of a device in software")
    parser.add_argument("--build", type=Path, default=Path("build"), help="for --device rtl")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def quantized(args: argparse.Namespace) -> "QuantizedNetwork":
    """The network that the options name. Raises ArtefactError."""
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.artefacts.shipped import shipped

    return QuantizedNetwork.load(args.network or shipped(args.net, canonical_variant(args.variant)))


@contextmanager
def opened(
    args: argparse.Namespace, network: "QuantizedNetwork", name: str | None = None
) -> Iterator[tuple["Accelerator", str]]:
    """Accelerator on the device that the options (or ``name``) ask for, with the network loaded,
    and why it was picked.
    """
    from twofold.hw.contract.presets import folding_for
    from twofold.sw.driver import Accelerator
    from twofold.sw.driver.opening import Wish, open_devices

    folding = folding_for(network.network, args.folding)
    wish = Wish(network.network, folding, xclbin=args.xclbin, build=args.build)
    choice = open_devices(name or args.device, wish)
    with Accelerator(*choice.devices) as accelerator:
        accelerator.load(network)
        yield accelerator, choice.reason
