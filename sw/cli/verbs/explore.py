"""``twofold explore``: short training trials: other operating points, ablations and seeds."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.hw.contract.errors import UsageError
from twofold.sw import ranges
from twofold.sw.cli.options import add_board, add_json, load_machine, named_network
from twofold.sw.cli.unused import refuse
from twofold.sw.cli.verbs.train import (
    SCALE,
    add_data_arguments,
    add_task,
    data_source,
    display,
)

if TYPE_CHECKING:
    from twofold.sw.train.explore.trials import Figure
    from twofold.sw.train.loop import Report, StepReport
    from twofold.sw.train.sources import Progress

    Shown = tuple[Report, StepReport, Progress]
    Study = Callable[[Shown, Callable[[Figure], None]], list[Figure]]

HELP = "short trials: accuracy against work, ablations, seeds, search; JSON, table, picture"
SEARCH = "search"
STUDIES = ("pareto", "ablation", "seeds", SEARCH)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("study", choices=STUDIES, help="which trials")
    add_task(parser)
    parser.add_argument(
        "--network", metavar="NAME|FILE",
        help="of search: an artefact of yours, which is also the teacher, with --data for it",
    )  # fmt: skip
    parser.add_argument(
        "--cycles", type=ranges.CYCLES, metavar="N", help="of search: cycles per sample, at most",
    )  # fmt: skip
    add_board(parser)
    parser.add_argument(
        "--machine", metavar="NAME|FILE",
        help="whose multipliers the cycles are for (default: the fastest of --net)",
    )  # fmt: skip
    add_data_arguments(parser)
    parser.add_argument(
        "--out", dest="folder", type=Path, metavar="DIR", default=Path("build/explore"),
        help="reports (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--scale", type=SCALE, default=0.1, metavar="X",
        help="epochs of the students, as a share of the shipped recipe's (default %(default)s); "
        "the teacher is trained in full, once; with seeds, of everything",
    )  # fmt: skip
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Train and report. Raises DatasetError without data, and what training raises."""
    from twofold.sw.train.explore import report
    from twofold.sw.train.journal import Journal

    study = _search(args) if args.study == SEARCH else _around_presets(args)
    args.folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(args.folder / f"{args.study}.jsonl")
    journal.clear()
    done: list[Figure] = []

    def report_figure(figure: "Figure") -> None:
        done.append(figure)
        report.write(done, args.folder, args.study)

    with display(journal) as shown:
        figures = study(shown, report_figure)
    if args.json:
        tree = {"study": args.study, "net": args.net, "figures": [asdict(one) for one in figures]}
        print(json.dumps(tree))
    else:
        print(report.as_markdown(figures, f"{args.study}, {args.network or args.net}"), end="")
    return 0


def _around_presets(args: argparse.Namespace) -> "Study":
    from twofold.hw.contract.presets import network
    from twofold.sw.train.explore import trials
    from twofold.sw.train.explore.cost import shipped_folding
    from twofold.sw.train.loop import Trainer

    refuse(args, "network", "cycles", "board", why=f"is for the study {SEARCH}; leave it out")
    folding = load_machine(args.machine).folding if args.machine else shipped_folding(args.net)

    def study(shown: "Shown", report: "Callable[[Figure], None]") -> "list[Figure]":
        on_record, on_step, on_cache = shown
        source = data_source(args, network(args.net).labels, on_cache)
        trainer = Trainer(source, args.work, report=on_record, on_step=on_step)
        if args.study == "seeds":
            return trials.seeds(args.net, args.scale, trainer, report, folding)
        chosen = trials.STUDIES[args.study](args.net, args.scale)
        return trials.run(chosen, args.net, trainer, report, folding)

    return study


def _search(args: argparse.Namespace) -> "Study":
    from twofold.hw.boards import DEFAULT, find
    from twofold.hw.solve.choose import Target
    from twofold.hw.solve.search import search
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.train.explore.search import best, run
    from twofold.sw.train.loop import Trainer
    from twofold.sw.train.public import artefact_source

    if args.network is None or args.data is None or args.cycles is None:
        raise UsageError(f"{SEARCH} needs --network FILE, its --data and --cycles N")
    refuse(args, "machine", why=f"is for the other studies, {SEARCH} solves machines of its own")
    own = QuantizedNetwork.load(named_network(args.network))
    source = artefact_source(own, args.data)
    target = Target(args.cycles, board=find(args.board or DEFAULT))

    def say(text: str) -> None:
        print(f"solving: {text}", file=sys.stderr, flush=True)

    found = [
        (point.name, point.solution.network, point.solution.cycles)
        for point in search(own.network, target, say)
    ]

    def study(shown: "Shown", report: "Callable[[Figure], None]") -> "list[Figure]":
        on_record, on_step, _ = shown
        trainer = Trainer(source, args.work, report=on_record, on_step=on_step)
        figures = run(found, trainer, source.steps, args.scale, report)
        print(f"best on val: {best(figures).name}", file=sys.stderr)
        return figures

    return study
