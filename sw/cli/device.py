"""Options of the verbs that run on a device, and opening the device they name."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.sw.cli.options import add_build, add_json, add_machine, machine_for
from twofold.sw.cli.unused import refuse
from twofold.sw.xrt.library import RUNTIMES

if TYPE_CHECKING:
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.driver import Accelerator

XCLBIN_VARIABLE = "TWOFOLD_XCLBIN"
NAMED = ("machine", "folding")
"""Options that ask for a machine."""


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

    Raises UsageError where options for the machine, or of a card, do not belong to the device, and
    what finding, opening and loading raise.
    """
    from twofold.sw.driver import Accelerator
    from twofold.sw.driver.opening import DeviceRequest, open_devices

    machine = machine_for(args, network.network)
    xclbin = named_bitstream(args)
    request = DeviceRequest(network.network, machine.folding, xclbin=xclbin, build=args.build)
    choice = open_devices(name or args.device, request)
    with Accelerator(*choice.devices) as accelerator:
        held = accelerator.machine.fingerprint == machine.fingerprint
        if not held:
            refuse(args, *NAMED, why=f"names {machine.name}, which the device does not hold")
        accelerator.load(network, machine.folding if held else None)
        yield accelerator, choice.reason


def named_bitstream(args: argparse.Namespace) -> Path | None:
    """The bitstream that the options name, else the environment. Raises UsageError if the device
    takes none.
    """
    if args.device.partition(":")[0] not in ("auto", *RUNTIMES):
        refuse(args, "xclbin", why=f"is for a card, not for --device {args.device}")
    named = os.environ.get(XCLBIN_VARIABLE)
    return args.xclbin or (Path(named) if named else None)
