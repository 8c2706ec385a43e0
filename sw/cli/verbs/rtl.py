"""``twofold rtl``: Verilog of the core."""

import argparse
import json

from twofold.hw.contract.target import Target
from twofold.sw.cli.options import add_build, add_json, add_machine, described_machine

HELP = "write the Verilog of the core of a machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold rtl``."""
    add_machine(parser)
    parser.add_argument(
        "--target",
        choices=[target.value for target in Target],
        default=Target.MODEL.value,
        help="cells that the machine is built from: models for simulation (default), or those of a "
        "device family",
    )
    add_build(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write the Verilog and print its path. Raises FoldingError or ToolError."""
    from rich.console import Console

    from twofold.hw.contract.files import write_text
    from twofold.hw.verilog.machine import core_verilog
    from twofold.sw.cli.progress import Steps

    machine = described_machine(args)
    with Steps(Console(stderr=True)) as steps:
        verilog = core_verilog(
            machine.network,
            machine.folding,
            args.build,
            target=Target(args.target),
            report=steps,
        )
    cells = "" if args.target == Target.MODEL.value else f"-{args.target}"
    target = args.build / "rtl" / f"{machine.name}{cells}.v"
    write_text(target, verilog.text)
    if args.json:
        tree = {"file": str(target), "machine": machine.name, "bytes": target.stat().st_size}
        print(json.dumps(tree | {"fingerprint": machine.fingerprint.hex()}))
    else:
        print(target)
    return 0
