"""``twofold bitstream``: the folder of a build for a card, or a bitstream for emulation."""

import argparse

from twofold.hw.package import cli

HELP = "generate a bitstream: for a card (target hw) or for XRT's hardware emulation (hw_emu)"
TARGETS = ("hw", "hw_emu")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold bitstream``."""
    cli.add_arguments(parser)
    parser.add_argument(
        "--target", choices=TARGETS, default="hw", help="a card (default), or its emulation"
    )
    parser.add_argument(
        "--units", type=int, default=1, help="compute units of the emulation (default: 1)"
    )


def run(args: argparse.Namespace) -> int:
    """Build for the target. Raises BoardError, FoldingError or ToolError."""
    if args.target == "hw":
        return cli.run(args)
    from rich.console import Console

    from twofold.hw.boards import find
    from twofold.hw.contract.presets import folding, network
    from twofold.hw.package.folder import Machine
    from twofold.sim.emulation.bitstream import Target, write_bitstream
    from twofold.sim.progress import Steps

    machine = Machine(
        network(args.net, args.variant),
        folding(args.net, args.variant, args.folding),
        args.folding,
        find(args.board),
    )
    with Steps(Console(stderr=True)) as steps:
        path = write_bitstream(Target(machine, args.units), args.bitstreams, args.build, steps)
    print(path)
    return 0
