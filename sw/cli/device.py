"""Options of the verbs that run on a device, and opening the device they name."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.sw.cli.options import add_build, add_json, add_machine, machine_for

if TYPE_CHECKING:
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.driver import Accelerator

XCLBIN_VARIABLE = "TWOFOLD_XCLBIN"


def add_device(parser: argparse.ArgumentParser) -> None:
    """Declare the options for the device and the network to run on it."""
    parser.add_argument(
        "--device",
        default="auto",
        metavar="NAME",
        help="auto, cpu, golden, rtl, xrt[:n], pynq[:n] or serial:PORT[@BAUD] (default: a card, "
        "else the CPU engine)",
    )
    parser.add_argument(
        "--xclbin",
        type=Path,
        default=os.environ.get(XCLBIN_VARIABLE) or None,
        metavar="FILE",
        help=f"bitstream (default: ${XCLBIN_VARIABLE}, else one that fits in bitstreams/)",
    )
    add_machine(parser, what="machine of a device in software")
    add_build(parser)
    add_json(parser)


@contextmanager
def opened(
    args: argparse.Namespace, network: "QuantizedNetwork", name: str | None = None
) -> Iterator[tuple["Accelerator", str]]:
    """Accelerator on the device that the options (or ``name``) ask for, with the network loaded,
    and the reason for the choice.
    """
    from twofold.sw.driver import Accelerator
    from twofold.sw.driver.opening import DeviceRequest, open_devices

    machine = machine_for(args, network.network)
    request = DeviceRequest(network.network, machine.folding, xclbin=args.xclbin, build=args.build)
    choice = open_devices(name or args.device, request)
    with Accelerator(*choice.devices) as accelerator:
        held = accelerator.machine.fingerprint == machine.fingerprint
        accelerator.load(network, machine.folding if held else None)
        yield accelerator, choice.reason
