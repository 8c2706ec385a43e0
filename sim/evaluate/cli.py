"""``twofold eval``: accuracy of a network on a folder of audio, by any backend."""

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.hw.contract.options import CHOICES, add_folding, add_network
from twofold.hw.contract.presets import canonical_variant
from twofold.sim.cli import shipped
from twofold.sw.data.options import DATA_VARIABLE, add_data
from twofold.sw.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np

    from twofold.sim.evaluate.backends import Backend
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.evaluate.metrics import Evaluation

HELP = "measure accuracy: confusion, recall and confidence interval, by any backend"
BACKENDS = ("golden", "torch", "onnx", "rtl")
SPLITS = ("train", "val", "test", "all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_network(parser)
    parser.add_argument("--network", type=Path, help="quantized network (.npz) to take instead")
    add_data(parser, otherwise="")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: %(default)s")
    parser.add_argument(
        "--backend", choices=BACKENDS, default="golden", help="default: %(default)s"
    )
    add_folding(parser, what="machine for backend rtl")
    parser.add_argument("--build", type=Path, default=Path("build"), help="directory of all output")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="confusion matrix (.png)")
    parser.add_argument(
        "--stream", action="store_true", help="the clips as a running recording (speech only)"
    )
    parser.add_argument(
        "--robust", action="store_true", help="accuracy under noise, shifts and gains instead"
    )
    parser.add_argument(
        "--beside",
        choices=CHOICES,
        action="append",
        default=[],
        metavar="VARIANT",
        help="with --robust: another shipped variant for the same table; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Evaluate and print; returns 1 when a backend's logits differ from the golden model's.

    Raises DatasetError without data, and the errors of the network file and of the backend.
    """
    from twofold.sim.evaluate.backends import backend
    from twofold.sw.artefacts import QuantizedNetwork

    path = args.network or shipped(args.net, canonical_variant(args.variant))
    quantized = QuantizedNetwork.load(path)
    chosen = backend(args.backend, args.build, args.folding)
    if args.robust:
        others = [shipped(args.net, canonical_variant(variant)) for variant in args.beside]
        return _robust(args, [quantized, *map(QuantizedNetwork.load, others)], chosen)
    inputs, truth = _split(quantized, args)
    figures, evaluation = measure(quantized, chosen, inputs, truth)
    figures.update(network=quantized.network.name, split=args.split, backend=args.backend)
    if args.picture:
        from twofold.sw.evaluate.picture import draw_confusion

        title = f"{quantized.network.name}, {args.split}: {100 * evaluation.accuracy:.2f} %"
        draw_confusion(evaluation, args.picture, title)
    if args.json:
        print(json.dumps(figures))
    else:
        _show(evaluation, figures)
    return 1 if figures["mismatches_vs_golden"] else 0


def measure(
    quantized: "QuantizedNetwork", backend: "Backend", inputs: "np.ndarray", truth: "np.ndarray"
) -> tuple[dict[str, Any], "Evaluation"]:
    """Figures of a backend on inputs uint8 [N, rows, cols] with classes ``truth`` [N]."""
    from twofold.sim.evaluate.densities import densities
    from twofold.sw.evaluate.metrics import evaluate
    from twofold.sw.golden import forward

    started = time.perf_counter()
    logits = backend(quantized, inputs)
    seconds = time.perf_counter() - started
    expected = forward(quantized, inputs, keep_activations=False)
    evaluation = evaluate(quantized.network.labels, truth, logits.argmax(axis=1))
    figures = evaluation.to_json() | densities(quantized, expected)
    figures["mismatches_vs_golden"] = int((logits != expected.logits).any(axis=1).sum())
    figures["samples_per_second"] = round(len(inputs) / seconds, 1)
    return figures, evaluation


def _split(
    quantized: "QuantizedNetwork", args: argparse.Namespace
) -> tuple["np.ndarray", "np.ndarray"]:
    if quantized.network.input_shape == (1, 8, 8):
        from twofold.sw.data.digits import digits

        return digits(args.split)
    from twofold.sw.data.gsc import features, for_task, labels, open_gsc

    clips = for_task(open_gsc(_folder(args)).clips(args.split), quantized.network.labels)
    if not clips:
        raise DatasetError(
            f"{args.data}: no clips of the network's samples in split {args.split!r}"
        )
    if args.stream:
        import numpy as np

        from twofold.sw.evaluate.running import running

        heard = np.stack([clip.samples() for clip in clips])
        return running(heard, quantized.front_end), labels(clips)
    return features(clips, quantized.front_end), labels(clips)


def _folder(args: argparse.Namespace) -> Path:
    if args.data is None:
        raise DatasetError(
            f"no data: give --data DIR or set {DATA_VARIABLE} to a folder of Google Speech Commands"
        )
    return args.data


def _robust(
    args: argparse.Namespace, networks: "list[QuantizedNetwork]", backend: "Backend"
) -> int:
    """Accuracy of networks beside each other under every perturbation."""
    import numpy as np

    from twofold.sw.data.frontend import front_end
    from twofold.sw.data.gsc import for_task, labels, open_gsc
    from twofold.sw.evaluate.perturb import PERTURBATIONS, perturb

    data = open_gsc(_folder(args))
    clips = for_task(data.clips(args.split), networks[0].network.labels)
    noise = np.stack([clip.samples() for clip in data.clips("all") if clip.start is not None])
    clip_samples, truth = np.stack([clip.samples() for clip in clips]), labels(clips)
    found: dict[str, dict[str, float]] = {quantized.network.name: {} for quantized in networks}
    for how in PERTURBATIONS:
        heard = perturb(clip_samples, how, noise)
        inputs = {name: front_end(name)(heard) for name in {one.front_end for one in networks}}
        for quantized in networks:
            right = backend(quantized, inputs[quantized.front_end]).argmax(axis=1) == truth
            found[quantized.network.name][how.name] = float(right.mean())
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
