"""``twofold resources``: area and timing of a machine, estimated by synthesis."""

import argparse
import json
from typing import TYPE_CHECKING

from twofold.sw import ranges
from twofold.sw.cli.options import add_build, add_json, add_machine, described_machine
from twofold.sw.cli.unused import refuse

if TYPE_CHECKING:
    from twofold.hw.contract.machine import Machine
    from twofold.hw.contract.progress import Report

HELP = "estimate area and logic depth of a machine by synthesis of its tiles"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold resources``."""
    add_machine(parser, size="full")
    parser.add_argument(
        "--seconds",
        type=ranges.SECONDS,
        default=3600.0,
        help="for the synthesis of one part; one that takes longer is taken from the area model",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="derive the factors of the area model from everything synthesised instead, for the "
        "family of --board",
    )
    parser.add_argument(
        "--routed",
        action="store_true",
        help="place and route the machine for --board, and compare the paths of every part with "
        "those that are estimated, instead",
    )
    add_build(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Estimate, print and write. Raises FoldingError or ToolError."""
    from rich.console import Console

    from twofold.hw.area.calibrate import calibrate
    from twofold.hw.area.machine import estimated
    from twofold.hw.area.report import picture, variant_figures, write
    from twofold.hw.area.show import table
    from twofold.hw.boards import DEFAULT, find, suffix
    from twofold.hw.contract.files import write_text
    from twofold.hw.contract.presets import parts as parts_of
    from twofold.sw.cli.progress import Steps

    if args.calibrate:
        whole = ("network", "net", "variant", "machine", "folding", "json")
        refuse(args, *whole, why="is for one machine, --calibrate for everything synthesised")
        with Steps(Console(stderr=True)) as steps:
            print(calibrate(find(args.board or DEFAULT), args.build, args.seconds, steps))
        return 0
    machine = described_machine(args)
    if args.routed:
        return _beside_routed(args, machine)
    board = find(machine.board)
    with Steps(Console(stderr=True)) as steps:
        parts = estimated(machine, args.build, seconds=args.seconds, report=_one_step(steps))
    reports = args.build / "reports"
    figures = variant_figures(parts, machine, reports=reports)
    known = parts_of(machine.name)
    whole = known is not None and (known[0], known[2]) == ("gsc", "full")
    key = known[1] if known is not None and whole else machine.name
    written = reports / f"resources{suffix(board)}.json"
    drawn = reports / f"resources{suffix(board)}-{key}.svg"
    write(written, key, figures, board)
    write_text(drawn, picture(figures, machine.name, board))
    if args.json:
        print(json.dumps(figures))
        return 0
    table(figures, board)
    print(f"written to {written} and {drawn}")
    return 0


def _beside_routed(args: argparse.Namespace, machine: "Machine") -> int:
    """Print and write estimated paths beside routed ones."""
    from rich.console import Console
    from rich.table import Column, Table

    from twofold.hw.contract.reports import write_report
    from twofold.hw.route.paths import as_json, compared
    from twofold.sw.cli.progress import Steps

    with Steps(Console(stderr=True)) as steps:
        found = compared(machine, args.build, report=steps)
    figures = as_json(machine, found)
    subject = f"{machine.name}-{machine.board}"
    write_report(args.build, "paths.json", subject, json.dumps(figures, indent=1) + "\n")
    if args.json:
        print(json.dumps(figures))
        return 0
    columns = [Column(name, justify="right") for name in ("estimated ns", f"{machine.board} ns")]
    rows = Table("part", *columns)
    for pair in found:
        rows.add_row(pair.part, f"{pair.estimated:.2f}", f"{pair.routed:.2f}")
    Console().print(rows)
    print(f"rank correlation of {len(found)} parts: {figures['rank_correlation']:.2f}")
    return 0


def _one_step(steps: "Report") -> "Report":
    """Report all parts as one step, whose name would otherwise change with every part."""
    return lambda step, done, total: steps(step.partition(" ")[0], done, total)
