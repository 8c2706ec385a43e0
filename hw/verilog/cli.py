"""``twofold rtl``: Verilog of the core."""

import argparse
from pathlib import Path

from twofold.hw.contract.options import add_folding, add_network

HELP = "write the Verilog of the core for a network and folding"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold rtl``."""
    add_network(parser)
    add_folding(parser)
    parser.add_argument(
        "--vendor", action="store_true", help="with DSP48E2 and URAM288 cells, for synthesis"
    )
    parser.add_argument("--build", type=Path, default=Path("build"), help="directory of all output")


def run(args: argparse.Namespace) -> int:
    """Write the Verilog and print where it is. Raises FoldingError or ToolError."""
    from twofold.hw.contract.files import write_text
    from twofold.hw.contract.presets import folding, network
    from twofold.hw.verilog.machine import core_verilog

    chosen = network(args.net, args.variant)
    machine = folding(args.net, args.variant, args.folding)
    verilog = core_verilog(chosen, machine, args.build, vendor=args.vendor)
    cells = "-vendor" if args.vendor else ""
    target = args.build / "rtl" / f"{chosen.name}-{args.folding}{cells}.v"
    write_text(target, verilog.text)
    print(target)
    return 0
