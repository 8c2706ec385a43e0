"""Compare an imported network with ONNX Runtime: logits, labels and layers on the user's inputs.

The reference is the model as ONNX defines it: ONNX Runtime without its graph optimisations. These
replace float operations with 8-bit kernels, some of which saturate at 16 bits on older CPUs; their
effect on labels is measured separately. The network's integers are computed from its own export,
which gives the same integers as the machine.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.errors import OnnxError
from twofold.sw.onnx.export.onnx import ACTIVATION_SCALE, export
from twofold.sw.onnx.importer.assemble import Imported, import_with_origin
from twofold.sw.onnx.importer.graph import Scale
from twofold.sw.onnx.importer.reference import Session, reference_of

CHUNK = 64
"""Samples computed at a time."""


@dataclass(frozen=True)
class LayerError:
    """A hidden layer's integers compared with the model's.

    Attributes
    ----------
    layer: its name.
    differing: share of integers that differ, 0..1; most: the largest difference.
    """

    layer: str
    differing: float
    most: int


@dataclass(frozen=True)
class Verification:
    """Result of a comparison. Shares are of the samples, 0..1.

    Attributes
    ----------
    samples: number of samples compared.
    reference: what ran the model as a whole.
    labels: share with the label of the model's logits.
    outputs: share with the label of the model's own output, after what the import drops.
    within_ties: the same, but any of several equal largest outputs counts; None if the output is a
        label.
    optimised: share with the label of the reference, with optimised kernels where it has them.
    logits: share whose logits are all the nearest integers to the model's.
    logit_error: largest difference of a logit; logit_spread: standard deviation of the model's.
    layers: hidden layers, in order.
    verdict: "proven", "measured equal on n samples", or "differs: ..." with the shares.
    """

    samples: int
    reference: str
    labels: float
    outputs: float
    within_ties: float | None
    optimised: float
    logits: float
    logit_error: float
    logit_spread: float
    layers: tuple[LayerError, ...]
    verdict: str

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {**asdict(self), "layers": [asdict(layer) for layer in self.layers]}


def verify(content: bytes, quantized: QuantizedNetwork, inputs: np.ndarray) -> Verification:
    """Compare ``quantized`` with the ONNX model that it was read from.

    ``inputs``: what the model takes, ``[samples, channels, height, width]`` or the model's own
    shape, or uint8 for the integers that the machine takes. Raises OnnxError if the inputs do not
    fit, if the network is from another model, or if ONNX Runtime refuses the model.
    """
    raw = not quantized.network.labelled
    try:
        step = float(quantized.provenance["image_scale"])
    except (KeyError, TypeError, ValueError) as error:
        raise OnnxError("the network was not read from a model; import it again") from error
    scale = Scale(step, quantized.network.zero_point)
    origin = import_with_origin(content, quantized.network.name, raw=raw, scale=scale)
    if origin.quantized.network != quantized.network:
        raise OnnxError("the network is not the one of this model; import it again")
    feeds, given = _feeds(origin, inputs)
    names = [origin.chain.entry, *(tap.name for tap in origin.chain.seen if tap.name)]
    standard = origin.graph.model.SerializeToString()
    theirs = Session(_with_outputs(standard, names), plain=True)
    taps = [_tap(stage) for stage in quantized.network.stages[:-1]]
    ours = Session(_with_outputs(export(quantized).SerializeToString(), taps), plain=True)
    reference, whole = reference_of(content, standard)
    tally = _Tally(origin, reference)
    for start in range(0, len(inputs), CHUNK):
        chunk = slice(start, start + CHUNK)
        found = theirs.run(feeds[chunk])
        entered = _entered(origin, found.pop(origin.chain.entry))
        if given is not None and (entered != given[chunk]).any():
            raise OnnxError("the model prepares its input in front of its quantizer: give what the "
                            "model takes, not the machine's integers")  # fmt: skip
        mine = ours.run(entered)
        tally.add(found, mine, taps)
        tally.optimised += int((_label(whole.run(feeds[chunk]), tally.classes)[0]
                                == mine["logits"].argmax(axis=1)).sum())  # fmt: skip
    return tally.result()


def _tap(stage: Any) -> str:
    """Name of a hidden layer's activations in an export."""
    return f"{stage.name}.{'winners' if stage.k < stage.channels else 'float'}"


def _feeds(origin: Imported, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """What the model takes, and the machine's integers if they were given instead."""
    graph, shape = origin.graph, origin.quantized.network.input_shape
    if inputs.ndim < 2 or not len(inputs) or inputs[0].size != np.prod(shape):
        raise OnnxError(f"inputs have shape {list(inputs.shape)}, need [samples, *{list(shape)}]")
    if inputs.dtype.kind not in "fiu" or not np.isfinite(inputs).all():
        raise OnnxError(f"inputs are {inputs.dtype}, need finite numbers")
    own = (len(inputs), *graph.input_dims)
    if inputs.dtype == np.uint8:
        given = np.clip(inputs, origin.chain.low, origin.chain.high).reshape(len(inputs), *shape)
        return _unquantized(origin, _as_it_came(origin, given)).reshape(own), given
    if graph.input_kind == TensorProto.FLOAT:
        return inputs.astype(np.float32).reshape(own), None
    if inputs.dtype == np.int8 and graph.input_kind == TensorProto.INT8:
        return inputs.reshape(own), None
    raise OnnxError(f"inputs are {inputs.dtype}, which is not what the model takes")


def _as_it_came(origin: Imported, values: np.ndarray) -> np.ndarray:
    """The machine's input as it was before the model rearranged it."""
    arranged = origin.chain.arranged
    sizes = [origin.graph.input_dims]
    for what, numbers in arranged:
        before = sizes[-1]
        sizes.append(numbers if what == "reshape" else tuple(before[at - 1] for at in numbers[1:]))
    values = values.reshape(len(values), *sizes[-1])
    for (what, numbers), before in zip(reversed(arranged), reversed(sizes[:-1]), strict=True):
        if what == "transpose":
            values = values.transpose(np.argsort(numbers))
        else:
            values = values.reshape(len(values), *before)
    return values


def _unquantized(origin: Imported, values: np.ndarray) -> np.ndarray:
    """The model's input for the machine's integers."""
    kind = origin.graph.input_kind
    if kind == TensorProto.FLOAT:
        steps = values.astype(np.float32) - np.float32(origin.chain.zero_point)
        return steps * np.float32(origin.chain.scale)
    offset = 128 if kind == TensorProto.INT8 else 0
    return (values.astype(np.int16) - offset).astype(np.int8 if offset else np.uint8)


def _entered(origin: Imported, values: np.ndarray) -> np.ndarray:
    """The machine's integers for the first layer's input: uint8 ``[samples, *input_shape]``."""
    chain = origin.chain
    steps = np.rint(values.astype(np.float64) / np.float32(chain.scale)) + chain.zero_point
    whole = np.clip(steps, 0, 255).astype(np.uint8)
    return whole.reshape(len(values), *origin.quantized.network.input_shape)


def _with_outputs(content: bytes, names: Sequence[str]) -> bytes:
    """The model with these values as additional outputs."""
    model = onnx.load_model_from_string(content)
    known = {value.name for value in model.graph.output}
    for name in names:
        if name not in known:
            model.graph.output.append(helper.make_empty_tensor_value_info(name))
    return model.SerializeToString()


def _label(outputs: dict[str, np.ndarray], classes: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Labels of the first usable output, and the values they come from; None if it is a label."""
    for values in outputs.values():
        if values.size == len(values) * classes and classes > 1:
            rows = values.reshape(len(values), classes)
            return rows.argmax(axis=1), rows
        if values.size == len(values) and values.dtype.kind in "iu":
            return values.reshape(-1), None
    raise OnnxError("the model has no output that is a label or a value for each class")


class _Tally:
    """Accumulates the comparison over chunks."""

    def __init__(self, origin: Imported, reference: str) -> None:
        self.origin, self.reference = origin, reference
        self.stages = origin.quantized.network.stages
        self.classes = self.stages[-1].channels
        self.step = float(origin.chain.layers[-1].gain[0])
        self.samples = self.labels = self.outputs = self.within = self.equal = self.optimised = 0
        self.has_values = True
        self.error = 0.0
        self.squares = np.zeros(3)
        self.differing = np.zeros(len(self.stages) - 1, dtype=np.int64)
        self.integers = np.zeros(len(self.stages) - 1, dtype=np.int64)
        self.most = np.zeros(len(self.stages) - 1, dtype=np.int64)

    def add(
        self, theirs: dict[str, np.ndarray], ours: dict[str, np.ndarray], taps: Sequence[str]
    ) -> None:
        mine = ours["logits"].astype(np.float64)
        label, samples = mine.argmax(axis=1), len(mine)
        seen = self.origin.chain.seen
        logits = theirs[seen[-1].name].reshape(samples, -1).astype(np.float64)
        self.samples += samples
        self.labels += int((logits.argmax(axis=1) == label).sum())
        hidden = {tap.name for tap in seen[:-1]}
        graph_outputs = {key: theirs[key] for key in theirs if key not in hidden}
        answer, values = _label(graph_outputs, self.classes)
        self.outputs += int((answer == label).sum())
        if values is None:
            self.has_values = False
        else:
            self.within += int((values[np.arange(samples), label] == values.max(axis=1)).sum())
        distance = np.abs(mine * self.step - logits)
        self.equal += int((np.rint(logits / self.step) == mine).all(axis=1).sum())
        self.error = max(self.error, float(distance.max()))
        self.squares += (logits.size, logits.sum(), (logits**2).sum())
        for at, (one, tap) in enumerate(zip(seen, taps, strict=False)):
            if not one.name:
                continue
            values = theirs[one.name].reshape(samples, -1) / one.step
            if one.order is not None:
                values[:, one.order] = values.copy()
            if one.below is not None:
                values = one.below - values
            self._layer(at, values, ours[tap] / ACTIVATION_SCALE)

    def _layer(self, at: int, theirs: np.ndarray, ours: np.ndarray) -> None:
        stage, order = self.stages[at], self.origin.orders[at]
        integers = np.rint(theirs.astype(np.float64)).reshape(len(ours), *stage.out_shape)
        integers = integers if order is None else integers[:, order]
        distance = np.abs(integers - ours.reshape(integers.shape))
        self.differing[at] += int((distance > 0).sum())
        self.integers[at] += distance.size
        self.most[at] = max(self.most[at], int(distance.max()))

    def result(self) -> Verification:
        count = self.samples
        size, total, squares = self.squares
        return Verification(
            samples=count,
            reference=self.reference,
            labels=self.labels / count,
            outputs=self.outputs / count,
            within_ties=self.within / count if self.has_values else None,
            optimised=self.optimised / count,
            logits=self.equal / count,
            logit_error=self.error,
            logit_spread=float(np.sqrt(max(squares / size - (total / size) ** 2, 0.0))),
            layers=tuple(self._layers()),
            verdict=self._verdict(),
        )

    def _layers(self) -> Iterator[LayerError]:
        for at, stage in enumerate(self.stages[:-1]):
            if not self.integers[at]:
                continue
            share = float(self.differing[at] / self.integers[at])
            yield LayerError(stage.name, share, int(self.most[at]))

    def _verdict(self) -> str:
        differing = int(self.differing.sum())
        if self.equal == self.samples and not differing:
            proven = self.origin.quantized.provenance["exact"]
            return "proven" if proven else f"measured equal on {self.samples} samples"
        return (
            f"differs: {self.labels / self.samples:.2%} of {self.samples} samples have the same "
            f"label, {self.equal / self.samples:.2%} the same logits; largest error of a logit "
            f"{self.error:.3g}"
        )
