"""``twofold resources``: area and timing of a machine, estimated by synthesis."""

import argparse
from pathlib import Path

from twofold.hw.boards.options import add_board
from twofold.hw.contract.options import add_folding, add_network

HELP = "estimate area and logic depth of a machine by synthesis of its tiles"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold resources``."""
    add_network(parser)
    add_folding(parser, "full")
    add_board(parser)
    parser.add_argument(
        "--seconds",
        type=float,
        default=3600,
        help="for the synthesis of one part; one that takes longer is taken from the area model",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="derive the factors of the area model from everything synthesised instead",
    )
    parser.add_argument("--build", type=Path, default=Path("build"), help="directory of all output")


def run(args: argparse.Namespace) -> int:
    """Estimate, print and write. Raises BoardError, FoldingError or ToolError."""
    from twofold.hw.area.calibrate import calibrate
    from twofold.hw.area.estimate import estimate
    from twofold.hw.area.model import components
    from twofold.hw.area.report import picture, variant_figures, write
    from twofold.hw.area.show import table
    from twofold.hw.boards import find, suffix
    from twofold.hw.contract.files import write_text
    from twofold.hw.contract.folding import plans
    from twofold.hw.contract.presets import canonical_variant, folding, network
    from twofold.hw.verilog.machine import core_verilog

    board = find(args.board)

    def report(step: str, done: int, total: int) -> None:
        print(f"[{done}/{total}] {step}", flush=True)

    if args.calibrate:
        print(calibrate(args.build, args.seconds, report))
        return 0
    variant = canonical_variant(args.variant)
    chosen, shape = network(args.net, variant), folding(args.net, variant, args.folding)
    found = plans(chosen, shape)
    verilog = core_verilog(chosen, shape, args.build, vendor=True)
    parts = estimate(
        verilog.text,
        args.build,
        model=components(found, shape),
        seconds=args.seconds,
        report=report,
        family=board.family,
    )
    reports = args.build / "reports"
    figures = variant_figures(
        parts,
        found,
        net=args.net,
        variant=variant,
        folding=args.folding,
        reports=reports,
        board=board,
    )
    whole = args.net == "gsc" and args.folding == "full"
    key = variant if whole else f"{args.net}-{variant}-{args.folding}"
    written = reports / f"resources{suffix(board)}.json"
    drawn = reports / f"resources{suffix(board)}-{key}.svg"
    write(written, key, figures, board)
    write_text(drawn, picture(figures, f"{chosen.name}", board))
    table(figures, board)
    print(f"written to {written} and {drawn}")
    return 0
