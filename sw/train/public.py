"""``twofold.train``: a network of your own on data of your own, from Python."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.network import Network
from twofold.hw.contract.sparsified import Sparsities
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.input import ARRAY
from twofold.sw.errors import DatasetError
from twofold.sw.inputs.labelled import read_labelled
from twofold.sw.quantize.integer import forward_integer
from twofold.sw.train.arrays import ArraySource, Teacher, completed
from twofold.sw.train.loop import Record, Trainer
from twofold.sw.train.module import describe_module, evaluating
from twofold.sw.train.own import describe, own_recipe, structured
from twofold.sw.train.run import train as run

Data = tuple[Any, Any] | Iterable[tuple[Any, Any]]
"""Samples and their classes: two arrays or tensors, or batches of such pairs (a `DataLoader`)."""


def train(
    network: nn.Module | QuantizedNetwork | Network, data: Data, *,
    val: Data | None = None, test: Data | None = None, labels: Sequence[str] | None = None,
    variant: str = "sparse-sparse", weights: float | None = None, activations: float | None = None,
    structure: Network | None = None, name: str = "own", seed: int = 0, scale: float = 1.0,
    folder: Path | None = None, device: str = "cpu",
    report: Callable[[Record], None] | None = None,
) -> QuantizedNetwork:  # fmt: skip
    """Train a sparse network in integers.

    Parameters
    ----------
    network: what is made sparse. A trained PyTorch module or an artefact is also the teacher; of a
        module only shapes and predictions are used (`twofold.sw.train.module`), a dense artefact is
        what training starts from. A description is trained from the classes alone.
    data: samples [n, channels, rows, cols] (or [n, rows, cols]) and classes [n]. For a module, real
        numbers or bytes; otherwise bytes, as the network takes them.
    val, test: the same, for choosing and for measuring. Without ``val``, 10 % of ``data``; without
        ``test``, another 10 %.
    labels: names of the classes of a module; numbers by default.
    variant: ``dense``, ``sparse-dense`` or ``sparse-sparse``.
    weights, activations: shares that are kept in hidden layers, above 0, up to 1. Without either, a
        description or an artefact that is sparse already keeps its structure; otherwise 0.1 and
        0.125.
    structure: instead of a variant and shares, a description of the same shapes: its sparsities and
        winners, layer by layer, are trained.
    name: slug of a module's network.
    seed: of all randomness; the same seed gives the same integers.
    scale: factor on the number of epochs.
    folder: for checkpoints: training that is run again with the same arguments continues there.
    device: ``cpu`` or ``cuda``.
    report: called after every epoch.

    Returns
    -------
    The network, with ``provenance["accuracy"]`` on val and test. Of a module that takes real
    numbers, ``input["scale"]`` is the value of a step and the byte ``network.zero_point`` stands
    for 0.

    Raises
    ------
    NetworkError: a module that is not a chain of known layers, impossible shares, or a structure of
        other shapes.
    DatasetError: data that does not fit. TrainingError: another variant, or no classes.
    """
    shares = Sparsities.given(weights, activations)
    sets = {"train": data, "val": val, "test": test}
    arrays = {split: _collect(one) for split, one in sets.items() if one is not None}
    if isinstance(network, nn.Module):
        base, code, teacher, key = _of_module(network, arrays["train"][0], labels, name)
    else:
        base, code, teacher, key = _of_description(network)
    splits = completed({
        split: (code.encoded(base, images, split), _classes(base, classes, split, len(images)))
        for split, (images, classes) in arrays.items()
    })  # fmt: skip
    source = ArraySource(splits, len(base.labels), code.input, teacher=teacher, key=key)
    given = network if isinstance(network, QuantizedNetwork) else None
    wanted = describe(base, variant, shares) if structure is None else structured(base, structure)
    recipe = own_recipe(wanted, source.steps, seed=seed, scale=scale, given=given)
    with tempfile.TemporaryDirectory(prefix="twofold-train-") as scratch:
        trainer = Trainer(
            source, folder or Path(scratch), report=report or (lambda _: None),
            on_step=lambda *_: None, device=device,
        )  # fmt: skip
        found = run(recipe, source, trainer).quantized
    return replace(found, provenance={**found.provenance, "seed": seed})


@dataclass(frozen=True)
class Code:
    """How the values of a network's input become bytes.

    Attributes
    ----------
    input: as `twofold.sw.artefacts.input` describes it.
    scale, zero: value of a step, and byte of 0; a scale of 0 for values that are bytes already.
    """

    input: Mapping[str, Any]
    scale: float = 0.0
    zero: int = 0

    def encoded(self, network: Network, values: NDArray[Any], what: str) -> NDArray[np.uint8]:
        """Samples uint8 [n, channels, rows, cols] of ``values``. Raises DatasetError."""
        shape = network.input_shape
        if values.shape[1:] == shape[1:] and shape[0] == 1:
            values = values[:, np.newaxis]
        if values.shape[1:] != shape:
            raise DatasetError(
                f"{what}: samples of shape {list(values.shape[1:])}, {network.name} takes "
                f"{list(shape)}"
            )
        if self.scale:
            if not np.isfinite(values).all():
                raise DatasetError(f"{what}: values that are not finite; leave these samples out")
            values = np.clip(np.rint(values / self.scale) + self.zero, 0, ACT_MAX)
        elif values.dtype.kind not in "iu" or values.min() < 0 or values.max() > ACT_MAX:
            raise DatasetError(f"{what}: needs bytes, integers from 0 to {ACT_MAX}")
        return np.ascontiguousarray(values.astype(np.uint8))

    def values(self, images: Tensor) -> Tensor:
        """Real values of bytes."""
        return (images.float() - self.zero) * self.scale if self.scale else images.float()


def _of_module(
    module: nn.Module, values: NDArray[Any], labels: Sequence[str] | None, name: str
) -> tuple[Network, Code, Teacher, str]:
    shape = values.shape[1:] if values.ndim == 4 else (1, *values.shape[1:])
    if len(shape) != 3:
        raise DatasetError(
            f"data: samples of shape {list(values.shape[1:])}, needs channels, rows, columns"
        )
    code = _code(values)

    def teacher(images: Tensor) -> Tensor:
        with evaluating(module):
            return module(code.values(images))

    if labels is None:
        outputs = teacher(torch.zeros(1, *shape, dtype=torch.uint8)).shape[-1]
        labels = [str(index) for index in range(outputs)]
    network = describe_module(module, shape, labels, name=name, zero_point=code.zero)
    digest = hashlib.sha256()
    for key, value in module.state_dict().items():
        digest.update(key.encode() + value.cpu().numpy().tobytes())
    return network, code, teacher, digest.hexdigest()


def _code(values: NDArray[Any]) -> Code:
    """Bytes for the range of ``values``, in which 0 has a byte of its own."""
    if values.dtype.kind in "iu":
        return Code({**ARRAY, "dtype": "uint8"})
    if not np.isfinite(values).all():
        raise DatasetError("data: values that are not finite; leave these samples out")
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = (high - low) / ACT_MAX or 1.0
    return Code({**ARRAY, "dtype": "float32", "scale": scale}, scale, round(-low / scale))


def _of_description(
    network: QuantizedNetwork | Network,
) -> tuple[Network, Code, Teacher | None, str]:
    if isinstance(network, Network):
        return network, Code(ARRAY), None, ""
    return network.network, Code(network.input), artefact_teacher(network), network.digest()


def artefact_source(network: QuantizedNetwork, path: Path) -> ArraySource:
    """Labelled samples in a file or folder for an artefact, which is also the teacher.

    Raises DatasetError and InputError for data that does not fit.
    """
    found = read_labelled(network, [path])
    splits = completed({"train": (found.samples, found.labels)})
    return ArraySource(
        splits, len(network.network.labels), network.input,
        teacher=artefact_teacher(network), key=network.digest(),
    )  # fmt: skip


def artefact_teacher(network: QuantizedNetwork) -> Teacher:
    """Logits of an artefact, in the scale in which it was trained."""
    return lambda images: forward_integer(network, images).double() * network.logit_scale


def _collect(data: Data) -> tuple[NDArray[Any], NDArray[Any]]:
    """All samples and classes of ``data`` as arrays."""
    if isinstance(data, tuple) and len(data) == 2:
        return _array(data[0]), _array(data[1])
    batches = [(_array(images), _array(classes)) for images, classes in data]
    if not batches:
        raise DatasetError("data: no batches")
    images, classes = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(classes)


def _array(values: Any) -> NDArray[Any]:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _classes(network: Network, classes: NDArray[Any], what: str, count: int) -> NDArray[np.int64]:
    last = len(network.labels) - 1
    fits = classes.shape == (count,) and classes.dtype.kind in "iu"
    if not fits or (count and not 0 <= classes.min() <= classes.max() <= last):
        raise DatasetError(f"{what}: needs a class for each sample, an integer from 0 to {last}")
    return classes.astype(np.int64)
