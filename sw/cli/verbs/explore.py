"""``twofold explore``: short training trials: other operating points, ablations and seeds."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.sw.cli.options import add_json, load_machine
from twofold.sw.cli.verbs.train import (
    add_data_arguments,
    add_task,
    data_source,
    display,
    positive,
)

if TYPE_CHECKING:
    from twofold.sw.train.explore.trials import Figure

HELP = "short trials: accuracy against multiplications, ablations, seeds; JSON, table, picture"
STUDIES = ("pareto", "ablation", "seeds")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("study", choices=STUDIES, help="which trials")
    add_task(parser)
    parser.add_argument(
        "--machine", metavar="NAME|FILE",
        help="whose multipliers the cycles are for (default: the fastest of --net)",
    )  # fmt: skip
    add_data_arguments(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("build/explore"),
        help="reports (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--scale", type=positive, default=0.1, metavar="X",
        help="epochs of the students, as a share of the shipped recipe's (default %(default)s); "
        "the teacher is trained in full, once; with seeds, of everything",
    )  # fmt: skip
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Train and report. Raises DatasetError without data, and what training raises."""
    from twofold.hw.contract.presets import network
    from twofold.sw.train.explore import report, trials
    from twofold.sw.train.explore.cost import shipped_folding
    from twofold.sw.train.journal import Journal
    from twofold.sw.train.loop import Trainer

    folding = load_machine(args.machine).folding if args.machine else shipped_folding(args.net)
    args.out.mkdir(parents=True, exist_ok=True)
    journal = Journal(args.out / f"{args.study}.jsonl")
    journal.clear()
    done: list[Figure] = []

    def report_figure(figure: "Figure") -> None:
        done.append(figure)
        report.write(done, args.out, args.study)

    with display(journal) as (on_record, on_step, on_cache):
        source = data_source(args, network(args.net).labels, on_cache)
        trainer = Trainer(source, args.work, report=on_record, on_step=on_step)
        if args.study == "seeds":
            figures = trials.seeds(args.net, args.scale, trainer, report_figure, folding)
        else:
            chosen = trials.STUDIES[args.study](args.net, args.scale)
            figures = trials.run(chosen, args.net, trainer, report_figure, folding)
    if args.json:
        tree = {"study": args.study, "net": args.net, "figures": [asdict(one) for one in figures]}
        print(json.dumps(tree))
    else:
        print(report.as_markdown(figures, f"{args.study}, {args.net}"), end="")
    return 0
