"""``twofold train``: train a sparse network and quantize it."""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.hw.contract.errors import FileError, ToolError
from twofold.hw.contract.files import check_output
from twofold.hw.contract.presets import NETWORKS, canonical_variant, network
from twofold.sw import ranges
from twofold.sw.cli.options import (
    NET,
    VARIANT,
    VARIANT_CHOICES,
    add_json,
    load_machine,
    named_network,
)
from twofold.sw.cli.unused import refuse
from twofold.sw.data.options import DATA_VARIABLE, data_folder
from twofold.sw.errors import DatasetError

if TYPE_CHECKING:
    from twofold.hw.contract.network import Network
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.train.journal import Journal
    from twofold.sw.train.loop import Record, Report, StepReport
    from twofold.sw.train.recipe import Recipe
    from twofold.sw.train.sources import Progress, Source

SCALE = ranges.real(0.0001, 1000)
TAPS, COUNT = ranges.real(1, 1_000_000), ranges.whole(1, 1 << 24)
COUNTS = ranges.Listed(COUNT)
TASKS = ("commands", "digits10")
HELP = "train a network and quantize it; a run that was stopped goes on where it was"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_task(parser)
    parser.add_argument(
        "--task",
        choices=TASKS,
        help="of --net gsc: the ten commands, or the digits zero..nine (default: commands)",
    )
    parser.add_argument(
        "--variant",
        choices=VARIANT_CHOICES,
        default=VARIANT,
        help="recipe, and description unless another is given (default %(default)s)",
    )
    parser.add_argument(
        "--network", metavar="NAME|FILE",
        help="description to train: that of a shipped network, or an artefact of yours, which is "
        "also the teacher if --data is for it",
    )  # fmt: skip
    parser.add_argument(
        "--machine", metavar="NAME|FILE", help="description to train: what this machine computes"
    )
    add_data_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", required=True, help="network (.npz)")
    parser.add_argument(
        "--seed", type=ranges.SEED, default=0, help="of everything random but the residual teacher"
    )
    parser.add_argument(
        "--scale", type=SCALE, default=1.0, metavar="X", help="factor on the number of epochs"
    )
    parser.add_argument(
        "--weights", type=ranges.SHARE, metavar="SHARE",
        help="of your own --network: share of the weights of hidden layers that is kept "
        "(default: as it is if it is sparse, otherwise 0.1)",
    )  # fmt: skip
    parser.add_argument(
        "--activations",
        type=ranges.SHARE,
        metavar="SHARE",
        help="likewise: share of the activations that win (default 0.125)",
    )
    parser.add_argument("--taps", type=TAPS, metavar="N", help="mean taps of a conv1 kernel")
    parser.add_argument("--winners", type=COUNTS, metavar="K,K,K", help="k of every layer")
    parser.add_argument("--sets", type=COUNTS, metavar="N,N", help="complementary sets")
    parser.add_argument(
        "--fan-in", type=COUNT, metavar="N", help="weights of a unit of linear1 at most"
    )
    parser.add_argument(
        "--start", type=Path, metavar="NET",
        help="network (.npz) that the student goes on from (default: the dense network)",
    )  # fmt: skip
    parser.add_argument(
        "--teachers", type=ranges.whole(1, 64), metavar="N",
        help="residual teachers, for audio; students learn the mean of their predictions "
        "(default 1)",
    )  # fmt: skip
    parser.add_argument(
        "--float-onnx", type=Path, metavar="FILE", help="write the network in float32 there, too"
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu",
        help="where networks in floating point are trained (default %(default)s)",
    )  # fmt: skip
    add_json(parser)


def add_task(parser: argparse.ArgumentParser) -> None:
    """Declare ``--net``."""
    parser.add_argument("--net", choices=NETWORKS, default=NET, help="task (default %(default)s)")


def _description(args: argparse.Namespace, variant: str) -> "Network":
    """Description of the network to train. Raises NetworkError and MachineError."""
    if args.machine is not None:
        return load_machine(args.machine).network
    if args.network is not None:
        from twofold.hw.contract.reading import network_of_file

        return network_of_file(named_network(args.network))
    return network(args.net, variant)


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options for data and checkpoint folders."""
    parser.add_argument(
        "--data", type=Path, metavar="DIR|FILE",
        help="unpacked Google Speech Commands (for --net gsc); for your own --network that takes "
        "something else, .npz with x and y, or a folder with a folder for each class",
    )  # fmt: skip
    parser.add_argument(
        "--work", type=Path, metavar="DIR", default=Path("build/train"),
        help="checkpoints and cached features (default %(default)s)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Train, and write the network, its journal (.jsonl) and its curves (.png).

    Raises DatasetError without data, and what the training phases raise.
    """
    from twofold.sw.model.net import INPUT_SCALE
    from twofold.sw.onnx.export.floating import save_float
    from twofold.sw.train.journal import Journal
    from twofold.sw.train.loop import Trainer
    from twofold.sw.train.run import float_layers, rows, train

    _check(args)
    if args.device == "cuda" and not cuda_is_there():
        raise ToolError("PyTorch finds no CUDA device; train with --device cpu")
    plan, open_source = _prepared(args)
    journal = Journal(args.out.with_suffix(".jsonl"))
    curves = args.out.with_suffix(".png")
    for path in (journal.path, curves):
        if path == args.out:
            raise FileError(f"{args.out}: {path.suffix} is for what goes beside it; end it in .npz")
        check_output(path)
    journal.clear()
    with display(journal) as (report, on_step, on_cache):
        source = open_source(on_cache)
        trainer = Trainer(source, args.work, report=report, on_step=on_step, device=args.device)
        outcome = train(plan, source, trainer)
    provenance = {**outcome.quantized.provenance, "seed": args.seed}
    replace(outcome.quantized, provenance=provenance).save(args.out)
    if args.float_onnx:
        save_float(outcome.net.network, float_layers(outcome.net), INPUT_SCALE, args.float_onnx)
    journal.draw(curves)
    if args.json:
        print(json.dumps({"out": str(args.out), "accuracy": outcome.accuracy}))
    else:
        _print_table(rows(outcome.accuracy), args.out)
    return 0


def _prepared(
    args: argparse.Namespace,
) -> "tuple[Recipe, Callable[[Progress], Source]]":
    """What is trained, and a function that opens its data."""
    own = _own_network(args)
    if own is not None:
        return _of_own(args, own)
    refuse(
        args, "weights", "activations",
        why="is for a network of yours: give --network FILE and its --data",
    )  # fmt: skip
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.data.gsc import DIGIT_WORDS
    from twofold.sw.train.point import relabel
    from twofold.sw.train.recipe import recipe

    variant = canonical_variant(args.variant)
    wanted = _moved(args, _description(args, variant))
    if args.task not in (None, "commands"):
        wanted = relabel(wanted, args.task, DIGIT_WORDS)
    start = QuantizedNetwork.load(args.start) if args.start else None
    plan = recipe(
        args.net, variant, seed=args.seed, scale=args.scale, network=wanted, start=start,
        teachers=args.teachers or 1,
    )  # fmt: skip
    if plan.residual is None:
        refuse(args, "teachers", why=f"is for residual teachers, {wanted.name} has none")
    return plan, lambda progress: data_source(args, wanted.labels, progress)


def _own_network(args: argparse.Namespace) -> "QuantizedNetwork | None":
    """The artefact to train on data of its own, unless it takes audio, or no data is given."""
    if args.network is None or args.data is None:
        return None
    from twofold.sw.artefacts import QuantizedNetwork

    network = QuantizedNetwork.load(named_network(args.network))
    return None if network.input["kind"] == "audio" else network


def _of_own(
    args: argparse.Namespace, network: "QuantizedNetwork"
) -> "tuple[Recipe, Callable[[Progress], Source]]":
    from twofold.hw.contract.sparsified import Sparsities
    from twofold.sw.train.own import describe, own_recipe
    from twofold.sw.train.public import artefact_source

    refuse(args, "start", "task", "teachers", why="is for the networks that ship; leave it out")
    variant = args.variant if args.variant in ("dense", "sparse-dense") else "sparse-sparse"
    shares = Sparsities.given(args.weights, args.activations)
    wanted = describe(network.network, variant, shares)
    source = artefact_source(network, args.data)
    plan = own_recipe(
        _moved(args, wanted), source.steps, seed=args.seed, scale=args.scale, given=network
    )
    return plan, lambda _: source


def _moved(args: argparse.Namespace, network: "Network") -> "Network":
    """``network`` at the point that the options ask for."""
    from twofold.sw.train.point import move

    return move(network, taps=args.taps, winners=args.winners, sets=args.sets, fan_in=args.fan_in)


def _check(args: argparse.Namespace) -> None:
    """Raise UsageError for options without an effect."""
    if args.network is not None:
        refuse(args, "machine", why="names another description beside --network")
    if args.net == "tiny":
        refuse(args, "task", why="is for --net gsc")


def cuda_is_there() -> bool:
    """Whether PyTorch has a GPU to train on."""
    import torch

    return torch.cuda.is_available()


def data_source(
    args: argparse.Namespace, classes: tuple[str, ...], progress: "Progress"
) -> "Source":
    """Data for a task with these ``classes``; ``progress`` is called as features are computed.

    Raises DatasetError if there is no data.
    """
    from twofold.sw.train.sources import DigitSource, SpeechSource

    if args.net == "tiny":
        refuse(args, "data", why="is for --net gsc; the digits of tiny are those of scikit-learn")
        return DigitSource()
    data = data_folder(args.data)
    if data is None:
        raise DatasetError(
            f"no data: give --data DIR or set {DATA_VARIABLE}, "
            "a folder in the layout of Google Speech Commands"
        )
    return SpeechSource(data, args.work, progress=progress, classes=classes)


@contextmanager
def display(journal: "Journal") -> Iterator[tuple["Report", "StepReport", "Progress"]]:
    """Progress bars on standard error, with records written to the journal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<10}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False),
        TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        bars: dict[str, TaskID] = {}

        def on_step(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=total, completed=done, note="")
            progress.update(bars[name], completed=done)

        def report(record: "Record") -> None:
            journal.add(record)
            note = f"loss {record.loss:.3f}, val {100 * record.val_accuracy:.2f} %"
            if record.phase not in bars:  # restored from a checkpoint, not run
                bars[record.phase] = progress.add_task(record.phase, total=record.epochs, note="")
            bar = progress.tasks[bars[record.phase]]
            done = (bar.total or 0) * record.epoch / record.epochs
            progress.update(bar.id, completed=done, note=note)

        yield report, on_step, lambda done, total: on_step("features", done, total)


def _print_table(rows: Sequence[tuple[str, str, str]], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("accuracy, %", "val", "test", title=str(out))
    for row in rows:
        table.add_row(*row)
    Console().print(table)
