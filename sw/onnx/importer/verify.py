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
from twofold.sw.onnx.importer.graph import Graph

CHUNK = 64
"""Samples computed at a time."""
SILENT = 4
"""Log severity for ONNX Runtime; its errors are raised anyway."""


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
    labels: share with the label of the model's logits.
    outputs: share with the label of the model's own output, after what the import drops.
    within_ties: the same, but any of several equal largest outputs counts; None if the output is a
        label.
    optimised: share with the label of ONNX Runtime's optimised kernels.
    logits: share whose logits are all the nearest integers to the model's.
    logit_error: largest difference of a logit; logit_spread: standard deviation of the model's.
    layers: hidden layers, in order.
    verdict: "proven", "measured equal on n samples", or "differs: ..." with the shares.
    """

    samples: int
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
    origin = import_with_origin(content, quantized.network.name, raw=raw)
    if origin.quantized.network != quantized.network:
        raise OnnxError("the network is not the one of this model; import it again")
    feeds, inputs = _inputs(content, origin, inputs)
    theirs = _Model(_with_outputs(content, [name for name, _ in origin.chain.taps]), plain=True)
    taps = [_tap(stage) for stage in quantized.network.stages[:-1]]
    ours = _Model(_with_outputs(export(quantized).SerializeToString(), taps), plain=True)
    optimised = _Model(content, plain=False)
    tally = _Tally(origin)
    for start in range(0, len(inputs), CHUNK):
        chunk = slice(start, start + CHUNK)
        mine = ours.run(inputs[chunk])
        tally.add(theirs.run(feeds[chunk]), mine, taps)
        tally.optimised += int((_label(optimised.run(feeds[chunk]), tally.classes)[0]
                                == mine["logits"].argmax(axis=1)).sum())  # fmt: skip
    return tally.result()


def _tap(stage: Any) -> str:
    """Name of a hidden layer's activations in an export."""
    return f"{stage.name}.{'winners' if stage.k < stage.channels else 'float'}"


def _inputs(content: bytes, origin: Imported, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the model takes, and what the machine takes: uint8 ``[samples, *input_shape]``."""
    graph, chain, network = Graph(content), origin.chain, origin.quantized.network
    shape = network.input_shape
    if inputs.ndim < 2 or not len(inputs) or inputs[0].size != np.prod(shape):
        raise OnnxError(f"inputs have shape {list(inputs.shape)}, need [samples, *{list(shape)}]")
    if inputs.dtype.kind not in "fiu" or not np.isfinite(inputs).all():
        raise OnnxError(f"inputs are {inputs.dtype}, need finite numbers")
    inputs = inputs.reshape(len(inputs), *shape)
    floats = graph.input_kind == TensorProto.FLOAT
    if inputs.dtype == np.uint8:
        inputs = inputs
        if floats:
            steps = inputs.astype(np.float32) - np.float32(chain.zero_point)
            feeds = steps * np.float32(chain.scale)
        else:
            offset = 128 if graph.input_kind == TensorProto.INT8 else 0
            feeds = (inputs.astype(np.int16) - offset).astype(np.int8 if offset else np.uint8)
    elif floats:
        feeds = inputs.astype(np.float32)
        with np.errstate(over="ignore"):
            steps = np.rint(feeds / np.float32(chain.scale)) + chain.zero_point
        inputs = np.clip(steps, 0, 255).astype(np.uint8)
    elif inputs.dtype == np.int8 and graph.input_kind == TensorProto.INT8:
        feeds, inputs = inputs, (inputs.astype(np.int16) + 128).astype(np.uint8)
    else:
        raise OnnxError(f"inputs are {inputs.dtype}, which is not what the model takes")
    return feeds.reshape(len(inputs), -1) if graph.input_flat else feeds, inputs


def _with_outputs(content: bytes, names: Sequence[str]) -> bytes:
    """The model with these values as additional outputs."""
    model = onnx.load_model_from_string(content)
    known = {value.name for value in model.graph.output}
    for name in names:
        if name not in known:
            model.graph.output.append(helper.make_empty_tensor_value_info(name))
    return model.SerializeToString()


class _Model:
    """A session of ONNX Runtime, with or without (``plain``) graph optimisations."""

    def __init__(self, content: bytes, *, plain: bool) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = SILENT
        if plain:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's own errors have no other base
            raise OnnxError(f"ONNX Runtime refuses the model: {error}") from error
        self._input = self._session.get_inputs()[0]
        self._outputs = [output.name for output in self._session.get_outputs()]
        batch = self._input.shape[0]
        self._batch = batch if isinstance(batch, int) and batch > 0 else 0

    def run(self, feeds: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name, each with as many rows as ``feeds``."""
        batch = self._batch or len(feeds)
        rows: list[list[np.ndarray]] = []
        for start in range(0, len(feeds), batch):
            part = feeds[start : start + batch]
            left = batch - len(part)
            part = np.concatenate([part, np.repeat(part[-1:], left, axis=0)])
            try:
                found = self._session.run(self._outputs, {self._input.name: part})
            except Exception as error:  # the runtime's own errors have no other base
                raise OnnxError(f"ONNX Runtime cannot run the model: {error}") from error
            rows.append([np.asarray(value)[: batch - left] for value in found])
        columns = zip(*rows, strict=True)
        return {
            name: np.concatenate(column)
            for name, column in zip(self._outputs, columns, strict=True)
        }


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

    def __init__(self, origin: Imported) -> None:
        self.origin = origin
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
        names = self.origin.chain.taps
        logits = theirs[names[-1][0]].reshape(samples, -1).astype(np.float64)
        self.samples += samples
        self.labels += int((logits.argmax(axis=1) == label).sum())
        graph_outputs = {key: theirs[key] for key in theirs if key not in dict(names[:-1])}
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
        for at, ((name, step), tap) in enumerate(zip(names, taps, strict=False)):
            self._layer(at, theirs[name] / step, ours[tap] / ACTIVATION_SCALE)

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
