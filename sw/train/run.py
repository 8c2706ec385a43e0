"""A training run from data to artefact: teachers, student, quantization, polish."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.model.net import SparseNet
from twofold.sw.model.residual import ResidualNet
from twofold.sw.onnx.export.floating import FloatLayer
from twofold.sw.quantize.activity import limit_activity
from twofold.sw.quantize.dequantize import dequantize
from twofold.sw.quantize.fuse import activation_scales, float_layer, fuse
from twofold.sw.quantize.integer import forward_integer
from twofold.sw.train.loop import Trainer, accuracy, to_device
from twofold.sw.train.recipe import Recipe
from twofold.sw.train.sources import FineSource, Source, SpeechSource
from twofold.sw.train.views import Views

_CALIBRATION = 512


@dataclass(frozen=True)
class Outcome:
    """Result of a run.

    Attributes
    ----------
    quantized: the network.
    net: the same before quantization.
    accuracy: share of correct samples after each step of the run, on ``val`` and ``test``.
    """

    quantized: QuantizedNetwork
    net: SparseNet
    accuracy: dict[str, dict[str, float]]


def train(recipe: Recipe, source: Source, trainer: Trainer) -> Outcome:
    """Run all phases of a recipe; finished phases are read back from their checkpoints.

    Uses one thread, so that sums have a fixed order: the same seed gives the same logits.
    """
    torch.set_num_threads(1)
    accuracies: dict[str, dict[str, float]] = {}
    trainer = with_residual_teacher(recipe, source, trainer, accuracies)
    if recipe.given is None:
        teacher, key = trainer.run(recipe.dense, recipe.teacher)
    else:
        teacher, key = restart(recipe.given, source)
    accuracies["dense float"] = measure(teacher, source)
    net = teacher
    if recipe.student is not None:
        first, origin = (teacher, key) if recipe.start is None else restart(recipe.start, source)
        net, key = trainer.run(recipe.network, recipe.student, first, origin)
        accuracies["sparse float"] = measure(net, source)
    fused = fuse(net, activation_scales(net, calibration(source)), {})
    fused = replace(fused, input=source.input)
    fused = limited(fused, recipe, source)
    accuracies["int8, before polish"] = measure(fused, source)
    polished, key = trainer.polish(fused, recipe.polish, teacher, key)
    polished = limited(polished, recipe, source)
    accuracies["int8, polished"] = measure(polished, source)
    quantized = better(polished, fused, accuracies)
    accuracies["int8"] = measure(quantized, source)
    final = with_provenance(quantized, recipe, source, key, accuracies["int8"])
    return Outcome(final, net, accuracies)


def with_residual_teacher(
    recipe: Recipe, source: Source, trainer: Trainer, accuracies: dict[str, dict[str, float]]
) -> Trainer:
    """``trainer`` on stored views with the predictions of the residual teachers, which are trained
    first; ``trainer`` itself if the recipe has no such teacher.
    """
    if not recipe.residuals or not isinstance(source, SpeechSource):
        return trainer
    fine = FineSource(source)
    teachers, keys = [], []
    for number, phase in enumerate(recipe.residuals, 1):
        net, key = trainer.on(fine).teach(recipe.shape, phase)
        which = f" {number}" if number > 1 else ""
        accuracies[f"residual{which} float"] = measure(net, fine)
        to_device(net, trainer.device)
        teachers.append(_prediction(net, trainer.device))
        keys.append(key)
    views = Views(
        source, teachers, "-".join(keys), trainer.folder, shards=recipe.shards,
        progress=lambda done, total: trainer.on_step("views", done, total),
    )  # fmt: skip
    return trainer.on(views)


def _prediction(net: ResidualNet, device: str) -> Callable[[Tensor], Tensor]:
    return lambda fine: net(fine.to(device)).cpu()


def restart(start: QuantizedNetwork, source: Source) -> tuple[SparseNet, str]:
    """``start`` in floating point, and a digest of its integers."""
    digest = hashlib.sha256(repr(start.logit_scale).encode())
    for layer in start.layers:
        digest.update(layer.weight.tobytes() + layer.add.tobytes())
    return dequantize(start, calibration(source)), digest.hexdigest()[:12]


def limited(quantized: QuantizedNetwork, recipe: Recipe, source: Source) -> QuantizedNetwork:
    """The network, limited on the validation split to the activity that the student may have."""
    if recipe.student is None or not recipe.student.used:
        return quantized
    images, _ = source.split("val")
    return limit_activity(quantized, images, recipe.student.used)


def float_layers(net: SparseNet) -> list[FloatLayer]:
    """Weights and offsets of every layer, as `twofold.sw.onnx.export.floating` takes them."""
    return [
        (weight.numpy(), offset.numpy()) for weight, offset in map(float_layer, net.each_layer())
    ]


def better(
    polished: QuantizedNetwork, fused: QuantizedNetwork, accuracies: dict[str, dict[str, float]]
) -> QuantizedNetwork:
    """The polished network, unless polishing lowered its accuracy on the validation split."""
    won = accuracies["int8, polished"]["val"] >= accuracies["int8, before polish"]["val"]
    return polished if won else fused


def calibration(source: Source) -> Tensor:
    """Images that the activation scales are calibrated on."""
    images, _ = source.batch(_CALIBRATION, torch.Generator().manual_seed(0))
    return images


def measure(net: SparseNet | ResidualNet | QuantizedNetwork, source: Source) -> dict[str, float]:
    """Accuracy on ``val`` and ``test``; a quantized network is evaluated in exact integers."""
    found: dict[str, float] = {}
    for name in ("val", "test"):
        images, labels = source.split(name)
        if isinstance(net, QuantizedNetwork):
            right = forward_integer(net, images).argmax(1) == labels
            found[name] = float(right.float().mean())
        else:
            found[name] = accuracy(net, images, labels)
    return {name: round(value, 5) for name, value in found.items()}


def with_provenance(
    quantized: QuantizedNetwork, recipe: Recipe, source: Source, key: str, right: dict[str, float]
) -> QuantizedNetwork:
    """The same integers, with a record of how they were trained."""
    phases = (*recipe.residuals, recipe.teacher, recipe.student, recipe.polish)
    provenance: dict[str, Any] = {
        "task": source.name,
        "data": source.key,
        "run": key,
        "start": None if recipe.start is None else dict(recipe.start.provenance),
        "phases": [asdict(phase) for phase in phases if phase is not None],
        "accuracy": right,
    }
    return replace(quantized, provenance=provenance)


def rows(accuracies: dict[str, dict[str, float]]) -> Sequence[tuple[str, str, str]]:
    """Rows of a table: step of the run, accuracy on val and on test in %."""
    return [
        (stage, f"{100 * right['val']:.2f}", f"{100 * right['test']:.2f}")
        for stage, right in accuracies.items()
    ]
