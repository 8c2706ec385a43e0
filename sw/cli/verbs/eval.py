"""``twofold eval``: accuracy of a network on labelled samples, on any backend."""

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from twofold.hw.contract.errors import NetworkError
from twofold.sim.evaluate.backends import NAMES
from twofold.sw.cli.options import (
    VARIANT_CHOICES,
    add_build,
    add_data,
    add_json,
    add_machine,
    machine_for,
    named_network,
    quantized,
)
from twofold.sw.cli.unused import refuse
from twofold.sw.data.options import DATA_VARIABLE
from twofold.sw.errors import DatasetError, InputError

if TYPE_CHECKING:
    import numpy as np

    from twofold.sim.evaluate.backends import Backend
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.evaluate.metrics import Evaluation
    from twofold.sw.inputs import Labelled

HELP = "measure accuracy: confusion, recall and confidence interval, by any backend"
SPLITS = ("train", "val", "test", "all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "files", type=Path, nargs="*", metavar="FILE",
        help="samples with their classes: x.npy y.npy, a .npz with x and y, or a folder with a "
        "folder for each class",
    )  # fmt: skip
    add_machine(parser, what="machine for backend rtl")
    add_data(parser, otherwise="")
    parser.add_argument("--split", choices=SPLITS, help="default: test, where data has splits")
    parser.add_argument("--backend", choices=NAMES, default="golden", help="default: %(default)s")
    add_build(parser)
    parser.add_argument("--picture", type=Path, metavar="FILE", help="confusion matrix (.png)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--stream", action="store_true", help="the clips as a running recording (speech only)"
    )
    how.add_argument(
        "--robust", action="store_true", help="accuracy under noise, shifts and gains instead"
    )
    parser.add_argument(
        "--beside",
        choices=VARIANT_CHOICES,
        action="append",
        default=[],
        metavar="VARIANT",
        help="with --robust: another shipped variant for the same table; may be repeated",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print; returns 1 if the backend's logits differ from the golden model's.

    Raises DatasetError without data, and what the network file and the backend raise.
    """
    from twofold.sim.evaluate.backends import backend
    from twofold.sw.artefacts import QuantizedNetwork

    _check(args)
    found = quantized(args)
    chosen = backend(args.backend, args.build, lambda network: machine_for(args, network))
    if args.robust:
        net = args.net or args.default_net
        others = [named_network(f"{net}-{variant}") for variant in args.beside]
        return _robust(args, [found, *map(QuantizedNetwork.load, others)], chosen)
    data = _labelled(found, args)
    figures, evaluation = measure(found, chosen, data.samples, data.labels)
    args.split = args.split or "test"
    figures.update(
        network=found.network.name, digest=found.digest(), source=data.source, split=args.split,
        backend=args.backend,
    )  # fmt: skip
    if args.picture:
        from twofold.sw.evaluate.picture import draw_confusion

        title = f"{found.network.name}, {args.split}: {100 * evaluation.accuracy:.2f} %"
        draw_confusion(evaluation, args.picture, title)
    if args.json:
        print(json.dumps(figures))
    else:
        _show(evaluation, figures)
    return 1 if figures["mismatches_vs_golden"] else 0


def _check(args: argparse.Namespace) -> None:
    """Raise UsageError for options without an effect."""
    if args.backend != "rtl":
        refuse(args, "folding", why="is for --backend rtl")
        if args.network is not None:
            refuse(args, "machine", why="is for --backend rtl")
    if args.robust:
        refuse(args, "picture", why="is of one network; leave it out with --robust")
    else:
        refuse(args, "beside", why="is for --robust")
    if args.files:
        refuse(args, "data", why="names other samples than FILE; leave one of them out")
        refuse(args, "robust", why="takes the clips of --data; leave FILE out")


def measure(
    quantized: "QuantizedNetwork", backend: "Backend", inputs: "np.ndarray", truth: "np.ndarray"
) -> tuple[dict[str, Any], "Evaluation"]:
    """Figures of a backend on inputs uint8 [N, channels, rows, cols] with true classes [N]."""
    from twofold.sim.evaluate.densities import densities
    from twofold.sw.evaluate.metrics import evaluate
    from twofold.sw.golden import forward

    if not quantized.network.labelled:
        raise NetworkError(
            f"{quantized.network.name} gives raw outputs, no classes to count; `twofold sim` "
            "compares its numbers"
        )
    started = time.perf_counter()
    logits = backend(quantized, inputs)
    seconds = time.perf_counter() - started
    expected = forward(quantized, inputs, keep_activations=False)
    evaluation = evaluate(quantized.network.labels, truth, logits.argmax(axis=1))
    figures = evaluation.to_json() | densities(quantized, expected)
    figures["mismatches_vs_golden"] = int((logits != expected.logits).any(axis=1).sum())
    figures["samples_per_second"] = round(len(inputs) / seconds, 1)
    return figures, evaluation


def _labelled(quantized: "QuantizedNetwork", args: argparse.Namespace) -> "Labelled":
    from twofold.sw.inputs import default_data, read_labelled

    if args.stream:
        return _running(quantized, args)
    if args.files:
        return read_labelled(quantized, args.files, split=args.split)
    data = default_data(quantized, args.data)
    if data is None and quantized.input["kind"] == "audio":
        _no_data()
    return read_labelled(quantized, [data] if data else (), split=args.split)


def _running(quantized: "QuantizedNetwork", args: argparse.Namespace) -> "Labelled":
    """Clips of a split as a running recording. Raises InputError and DatasetError."""
    import numpy as np

    from twofold.sw.data.gsc import labels, sound
    from twofold.sw.data.options import data_folder
    from twofold.sw.evaluate.running import running
    from twofold.sw.inputs import Labelled
    from twofold.sw.inputs.audio import as_samples
    from twofold.sw.inputs.folders import speech_clips

    if quantized.front_end is None:
        raise InputError(f"{quantized.network.name}: takes no audio, which --stream is made of")
    if len(args.files) > 1:
        raise InputError("--stream takes one folder of recordings")
    root = args.files[0] if args.files else data_folder(args.data) or _no_data()
    clips, split = speech_clips(quantized, root, args.split)
    images = running(np.concatenate(list(sound(clips))), quantized.front_end)
    names = tuple(clip.word for clip in clips)
    source = f"Google Speech Commands, {split} split, as a running recording"
    return Labelled(as_samples(quantized, images), labels(clips), names, source)


def _no_data() -> NoReturn:
    raise DatasetError(
        f"no data: give --data DIR or set {DATA_VARIABLE} to a folder of Google Speech Commands"
    )


def _robust(
    args: argparse.Namespace, networks: "list[QuantizedNetwork]", backend: "Backend"
) -> int:
    """Compare the accuracy of networks under every perturbation."""
    import numpy as np

    from twofold.sw.data.gsc import open_gsc, sound
    from twofold.sw.data.options import data_folder
    from twofold.sw.evaluate.perturb import PERTURBATIONS, perturb
    from twofold.sw.inputs.audio import features
    from twofold.sw.inputs.folders import speech_clips

    unsuitable = [one.network.name for one in networks if one.input["kind"] != "audio"]
    if unsuitable:
        raise InputError(f"{', '.join(unsuitable)}: takes no audio, which --robust changes")
    root = data_folder(args.data) or _no_data()
    clips, args.split = speech_clips(networks[0], root, args.split)
    quiet = [clip for clip in open_gsc(root).clips("all") if clip.start is not None]
    noise, samples = (np.concatenate(list(sound(found))) for found in (quiet, clips))
    truth = np.array([clip.label for clip in clips])
    found: dict[str, dict[str, float]] = {quantized.network.name: {} for quantized in networks}
    for how in PERTURBATIONS:
        changed = perturb(samples, how, noise)
        for one in networks:
            right = backend(one, features(one, changed)).argmax(axis=1) == truth
            found[one.network.name][how.name] = float(right.mean())
    if args.json:
        print(json.dumps({"split": args.split, "clips": len(clips), "robust": found}))
    else:
        _show_robust(found, f"accuracy on {args.split}, {len(clips)} clips")
    return 0


def _show_robust(found: dict[str, dict[str, float]], title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("accuracy, %", *found, title=title)
    for name in next(iter(found.values())):
        table.add_row(name, *(f"{100 * accuracies[name]:.2f}" for accuracies in found.values()))
    Console().print(table)


def _show(evaluation: "Evaluation", figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from twofold.sw.evaluate.metrics import wilson

    low, high = figures["interval95"]
    table = Table(
        "class", "clips", "right", "recall, %", "95 % interval",
        title=f"{figures['network']}, {figures['split']}, {figures['backend']}",
        caption=f"{evaluation.correct} of {evaluation.clips} right: "
        f"{100 * evaluation.accuracy:.2f} % "
        f"({100 * low:.1f}..{100 * high:.1f}), {figures['samples_per_second']} samples/s, "
        f"{figures['mismatches_vs_golden']} samples differ from the golden model; "
        f"{100 * figures['weight_density']['all']:.2f} % of the weights and "
        f"{_shares(figures['activation_density'])} of the activations are not 0, "
        f"{figures['multiplications_per_sample']:,.0f} multiplications a sample "
        f"(dense {figures['multiplications_dense']:,})",
    )  # fmt: skip
    for name, found, total in evaluation.recall():
        bottom, top = wilson(found, total)
        share = f"{100 * found / total:.1f}" if total else "-"
        table.add_row(name, str(total), str(found), share, f"{100 * bottom:.0f}..{100 * top:.0f}")
    Console().print(table)


def _shares(densities: dict[str, float]) -> str:
    return ", ".join(f"{name} {100 * share:.1f} %" for name, share in densities.items())
