"""``twofold bitstream``: the build folder for a card; a bitstream for a board or for emulation."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from twofold.sw import ranges
from twofold.sw.cli.options import (
    add_bitstreams,
    add_build,
    add_json,
    add_machine,
    described_machine,
)
from twofold.sw.cli.unused import refuse

if TYPE_CHECKING:
    from twofold.hw.contract.machine import Machine

HELP = "generate a bitstream: for a card or a board (target hw), or for XRT's emulation (hw_emu)"
TARGETS = ("hw", "hw_emu")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold bitstream``."""
    add_machine(parser, size="full")
    parser.add_argument(
        "--target", choices=TARGETS, default="hw", help="a card (default), or its emulation"
    )
    parser.add_argument(
        "--units", type=ranges.UNITS, help="compute units of the emulation (default: 1)"
    )
    group = parser.add_argument_group("boards that open tools build")
    group.add_argument(
        "--clock",
        type=ranges.real(0.1, 1000),
        metavar="MHZ",
        help="clock of the machine (default: the board's)",
    )
    group.add_argument(
        "--seed", type=ranges.SEED, metavar="N", help="of the placement (default: 1)"
    )
    group.add_argument("--load", action="store_true", help="load it into the board, too")
    add_bitstreams(parser)
    add_build(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Build for the target. Raises MachineError, FoldingError, BoardError or ToolError."""
    from rich.console import Console

    from twofold.hw.boards import find
    from twofold.hw.contract.errors import BoardError
    from twofold.sim.emulation.bitstream import Target, write_bitstream
    from twofold.sw.cli.progress import Steps

    if args.board is not None and find(args.board).desk is not None:
        args.default_size = "small"
    if args.target == "hw":
        refuse(args, "units", why="is for --target hw_emu; a card has one in each region")
    machine = described_machine(args)
    if args.target == "hw" and find(machine.board).desk is not None:
        return _for_desk(args, machine)
    for option in ("clock", "seed", "load"):
        value = getattr(args, option)
        if value is not None and value is not False:
            raise BoardError(f"--{option} is for boards that open tools build; leave it out")
    if args.target == "hw":
        return _for_card(args, machine)
    with Steps(Console(stderr=True)) as steps:
        path = write_bitstream(Target(machine, args.units or 1), args.bitstreams, args.build, steps)
    _print_result(args, machine, str(path))
    return 0


def _for_card(args: argparse.Namespace, machine: "Machine") -> int:
    """Write the folder, then build it with the vendor's tools."""
    from rich.console import Console

    from twofold.hw.boards import find
    from twofold.hw.package.folder import record_bitstream, write_folder
    from twofold.hw.package.support import versions
    from twofold.hw.package.vendor import build
    from twofold.sw.cli.progress import Steps

    def say(line: str) -> None:
        print(line, file=sys.stderr if args.json else sys.stdout, flush=True)

    board = find(machine.board)
    say(versions(board))
    if not board.built:
        say(f"no bitstream has been built for the {board.title} yet")
    say(f"generating {machine.slug}")
    with Steps(Console(stderr=True)) as steps:
        folder = write_folder(machine, args.bitstreams, args.build, steps)
    say(f"generated {folder}")
    binary = build(folder, say)
    digest = record_bitstream(folder)["bitstream"]["sha256"]
    if args.json:
        _print_result(args, machine, str(binary))
    else:
        print(f"built {binary} ({digest[:12]})")
    return 0


def _for_desk(args: argparse.Namespace, machine: "Machine") -> int:
    """Build with open tools, report, and load where that is asked for."""
    from rich.console import Console

    from twofold.hw.boards import find
    from twofold.hw.contract.reports import write_report
    from twofold.hw.route.flow import build
    from twofold.hw.route.load import load
    from twofold.hw.route.report import as_json, lines
    from twofold.sw.cli.progress import Steps

    clock = None if args.clock is None else 1e6 * args.clock
    with Steps(Console(stderr=True)) as steps:
        built = build(machine, args.build, clock_hz=clock, seed=args.seed or 1, report=steps)
    figures = as_json(machine, built)
    subject = f"{machine.name}-{machine.board}"
    write_report(args.build, "board.json", subject, json.dumps(figures, indent=1) + "\n")
    if args.load:
        load(find(machine.board), built.path)
    if args.json:
        print(json.dumps(figures))
    else:
        print(*lines(figures), f"built {built.path}", sep="\n")
    return 0


def _print_result(args: argparse.Namespace, machine: "Machine", path: str) -> None:
    if args.json:
        tree = {"file": path, "machine": machine.name, "board": machine.board}
        print(json.dumps(tree | {"fingerprint": machine.fingerprint.hex()}))
    else:
        print(path)
