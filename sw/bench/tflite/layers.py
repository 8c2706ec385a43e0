"""Layers of a network as operators of LiteRT, channels last."""

from dataclasses import dataclass
from math import prod

import numpy as np

from twofold.hw.contract.network import Shape, Stage
from twofold.sw.bench.tflite.blocks import blocks_of
from twofold.sw.bench.tflite.graph import LiteGraph, schema
from twofold.sw.onnx.export.graph import ACTIVATION_SCALE

LOWEST = -128
"""int8 activation that stands for 0."""
SPARSE_VERSION = 8
"""Version of a fully connected operator with sparse weights."""


@dataclass(frozen=True)
class Form:
    """Form of activations, with the versions of the operators on them.

    Attributes
    ----------
    kind: element type.
    scale: value of a step; None in float32.
    zero: activation that stands for 0.
    convolution, connected, pool, pad: versions.
    """

    kind: str
    scale: float | None
    zero: int
    convolution: int
    connected: int
    pool: int
    pad: int


FLOAT = Form("float32", None, 0, convolution=1, connected=1, pool=1, pad=1)
INT8 = Form("int8", ACTIVATION_SCALE, LOWEST, convolution=3, connected=4, pool=2, pad=2)


class LayerWriter:
    """Appends layers to a graph.

    Parameters
    ----------
    graph: that takes the operators.
    samples: per call.
    form: of the activations.
    sparse: whether linear layers may keep their weights in blocks.
    """

    def __init__(self, graph: LiteGraph, samples: int, form: Form, *, sparse: bool = False) -> None:
        self._graph, self._samples, self._form, self._sparse = graph, samples, form, sparse

    def pixels(self, name: str, shape: Shape) -> int:
        """Append a tensor of activations; ``shape``: channels, height, width of a sample."""
        channels, height, width = shape
        return self._activations(name, (height, width, channels))

    def layer(
        self, stage: Stage, x: int, weight: np.ndarray, bias: np.ndarray, scale: float | None = None
    ) -> int:
        """Append a layer with its ReLU and pooling, and return its output.

        Parameters
        ----------
        x: its input.
        weight: ``[channels, ...]`` in the order of the contract.
        bias: ``[channels]``, float32 or int32.
        scale: value of a step of a weight; None in float32.
        """
        kernels = weight.reshape(stage.channels, stage.in_shape[0], *stage.kernel)
        kernels = np.ascontiguousarray(kernels.transpose(0, 2, 3, 1))
        steps = None if scale is None else np.full(stage.channels, scale)
        unit = None if steps is None else steps * ACTIVATION_SCALE
        offsets = self._graph.constant(f"{stage.name}.bias", bias, unit)
        if stage.layer.FLATTENS:
            matrix = kernels.reshape(stage.channels, -1)
            return self._connected(stage, x, matrix, steps, offsets)
        weights = self._graph.constant(f"{stage.name}.weight", kernels, steps)
        return self._pooled(stage, self._convolved(stage, x, weights, offsets))

    def _activations(self, name: str, shape: tuple[int, ...]) -> int:
        form = self._form
        return self._graph.tensor(name, (self._samples, *shape), form.kind, form.scale, form.zero)

    def _connected(
        self, stage: Stage, x: int, matrix: np.ndarray, steps: np.ndarray | None, offsets: int
    ) -> int:
        name, graph = stage.name, self._graph
        if stage.in_shape[1:] != (1, 1) or stage.index == 0:
            x = graph.reshape(x, f"{name}.flat", (self._samples, prod(stage.in_shape)))
        blocks = blocks_of(matrix) if self._sparse else None
        if blocks is None:
            weights = graph.constant(f"{name}.weight", matrix, steps)
        else:
            weights = graph.sparse(f"{name}.weight", blocks)
        y = self._activations(f"{name}.out", (stage.channels,))
        graph.operator(
            "FULLY_CONNECTED",
            [x, weights, offsets],
            [y],
            self._form.connected if blocks is None else SPARSE_VERSION,
            "FullyConnected",
            fusedActivationFunction=_activation(stage),
        )
        return y

    def _convolved(self, stage: Stage, x: int, weights: int, offsets: int) -> int:
        channels, height, width = stage.conv_shape
        y = self._activations(f"{stage.name}.out", (height, width, channels))
        rows, columns = stage.strides
        self._graph.operator(
            "CONV_2D",
            [self._padded(stage, x), weights, offsets],
            [y],
            self._form.convolution,
            "Conv2D",
            padding=schema.Padding.VALID,
            strideH=rows,
            strideW=columns,
            fusedActivationFunction=_activation(stage),
        )
        return y

    def _padded(self, stage: Stage, x: int) -> int:
        """``x`` with the layer's padding, if it has any: LiteRT's own is the same on all sides."""
        top, left, bottom, right = stage.edges
        if not any(stage.edges):
            return x
        channels, height, width = stage.in_shape
        shape = self._samples, top + height + bottom, left + width + right, channels
        y = self._graph.like(x, f"{stage.name}.padded", shape)
        edges = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], dtype=np.int32)
        inputs = [x, self._graph.constant(f"{stage.name}.edges", edges)]
        self._graph.operator("PAD", inputs, [y], self._form.pad, "Pad")
        return y

    def _pooled(self, stage: Stage, x: int) -> int:
        if stage.positions == 1:
            return x
        y = self.pixels(f"{stage.name}.pooled", stage.out_shape)
        rows, columns = stage.pool_window
        self._graph.operator(
            "MAX_POOL_2D",
            [x],
            [y],
            self._form.pool,
            "Pool2D",
            padding=schema.Padding.VALID,
            strideH=rows,
            strideW=columns,
            filterHeight=rows,
            filterWidth=columns,
        )
        return y


def _activation(stage: Stage) -> int:
    kinds = schema.ActivationFunctionType
    return kinds.NONE if stage.last else kinds.RELU
