"""Inference in NumPy integers, many samples at a time.

The model keeps to `twofold.hw.contract.arith` and to nothing else: it knows shapes and weights, not
how the machine folds them. Weights that are zero cost no time. Samples are the last axis of every
array inside, so that each operation runs over consecutive memory.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.network import Conv2d, Layer, Linear, Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.errors import ArtefactError
from twofold.sw.golden.count import multiplications
from twofold.sw.golden.pooling import pooled, pooled_area
from twofold.sw.golden.winners import keep_winners

CHUNK = 128
"""Samples computed at a time: bounds the memory, and keeps a kernel's accumulators in the cache."""


@dataclass(frozen=True, eq=False)
class Golden:
    """Everything the network computes for a number of samples.

    Attributes
    ----------
    logits: int32 ``[samples, classes]``.
    labels: int64 ``[samples]``; index of the largest logit, ties to the lower index.
    activations: of each hidden layer, after its winners: uint8 ``[samples, channels, rows,
        columns]`` (1 row and 1 column for a linear layer); empty when they were not asked for.
    multiplications: int64 ``[samples, layers]``; products of a non-zero activation with a stored
        weight. The first layer's image counts as dense.
    nonzero: int64 ``[samples, hidden layers]``; activations that are not 0, after the winners.
    multiplications_dense: of the same network without any sparsity, for one sample.
    """

    logits: np.ndarray
    labels: np.ndarray
    activations: tuple[np.ndarray, ...]
    multiplications: np.ndarray
    nonzero: np.ndarray
    multiplications_dense: int


def forward(
    quantized: QuantizedNetwork,
    inputs: np.ndarray,
    *,
    keep_activations: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Golden:
    """Run inputs (uint8 ``[samples, channels, height, width]``, or without channels) through.

    Without ``keep_activations`` memory does not grow with the activations of the samples.
    ``progress`` is called with the number of samples done after each chunk.
    Raises ArtefactError when the inputs do not have the network's shape.
    """
    network = quantized.network
    inputs = _checked(inputs, network.input_shape)
    chunks = []
    for start in range(0, max(len(inputs), 1), CHUNK):
        chunk = inputs[start : start + CHUNK]
        chunks.append(_forward_chunk(quantized, chunk, keep_activations))
        if progress is not None:
            progress(len(chunk))
    logits = np.concatenate([chunk.logits for chunk in chunks])
    return Golden(
        logits=logits,
        labels=logits.argmax(axis=1),
        activations=tuple(
            np.concatenate(parts)
            for parts in zip(*(chunk.activations for chunk in chunks), strict=True)
        ),
        multiplications=np.concatenate([chunk.multiplications for chunk in chunks]),
        nonzero=np.concatenate([chunk.nonzero for chunk in chunks]),
        multiplications_dense=network.multiplications_dense,
    )


@dataclass(frozen=True, eq=False)
class _Chunk:
    logits: np.ndarray
    activations: list[np.ndarray]
    multiplications: np.ndarray
    nonzero: np.ndarray


def _checked(inputs: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    if inputs.ndim == 3 and shape[0] == 1:
        inputs = inputs[:, np.newaxis]
    if inputs.dtype != np.uint8 or inputs.ndim != 4 or inputs.shape[1:] != shape:
        raise ArtefactError(
            f"inputs are {inputs.dtype}{list(inputs.shape)}, needs uint8[samples, "
            f"{', '.join(map(str, shape))}]"
        )
    return inputs


def _forward_chunk(
    quantized: QuantizedNetwork, inputs: np.ndarray, keep_activations: bool
) -> _Chunk:
    samples, stages = len(inputs), quantized.network.stages
    counts = np.zeros((samples, len(stages)), dtype=np.int64)
    nonzero = np.zeros((samples, len(stages) - 1), dtype=np.int64)
    activations, x = [], np.ascontiguousarray(inputs.transpose(1, 2, 3, 0))
    for index, (stage, layer) in enumerate(zip(stages, quantized.layers, strict=True)):
        counts[:, index] = multiplications(stage, layer, x)
        y = _layer(stage, layer, x, quantized.network.zero_point if index == 0 else 0)
        x = y
        if stage.last:
            break
        if stage.k < stage.channels:
            keep_winners(y, stage.k)
        nonzero[:, index] = np.count_nonzero(y, axis=(0, 1, 2))
        if keep_activations:
            activations.append(np.ascontiguousarray(y.transpose(3, 0, 1, 2)))
    logits = np.ascontiguousarray(x[:, 0, 0].T.astype(np.int32))
    return _Chunk(logits, activations, counts, nonzero)


def _layer(stage: Stage, layer: QuantizedLayer, x: np.ndarray, zero: int) -> np.ndarray:
    """Output of a layer, ``[channels, rows, columns, samples]``; logits for the last one."""
    wide = stage.layer.multiplier or stage.pooled_bits + 2 > 32
    x = x.astype(np.int64 if wide else np.int32)
    return _RULES[type(stage.layer)](stage, layer, x, zero)


def _convolution(stage: Stage, layer: QuantizedLayer, x: np.ndarray, zero: int) -> np.ndarray:
    if stage.padding:
        side = (stage.padding, stage.padding)
        x = np.pad(x, ((0, 0), side, side, (0, 0)), constant_values=zero)
    out = np.empty((*stage.out_shape, x.shape[3]), dtype=np.uint8)
    for kernel in range(stage.channels):
        acc = pooled(stage, _convolve(stage, layer.weight[kernel], x))
        out[kernel] = _requantise(stage, layer, acc, slice(kernel, kernel + 1))
    return out


def _fully_connected(stage: Stage, layer: QuantizedLayer, x: np.ndarray, _: int) -> np.ndarray:
    acc = _linear(stage, layer.weight, x.reshape(stage.inputs, x.shape[3]))
    acc = acc.reshape(*stage.out_shape, x.shape[3])
    return _requantise(stage, layer, acc, slice(None))


_RULES: dict[type[Layer], Callable[[Stage, QuantizedLayer, np.ndarray, int], np.ndarray]] = {
    Conv2d: _convolution,
    Linear: _fully_connected,
}
"""Output of a layer from its input and the value of padding, by its kind."""


def _convolve(stage: Stage, weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Accumulators of one kernel at all positions that pooling looks at."""
    (rows, cols), step = pooled_area(stage), stage.stride
    acc = np.zeros((rows, cols, x.shape[3]), dtype=x.dtype)
    products = np.empty_like(acc)
    for channel, dy, dx in np.argwhere(weight):
        window = x[channel, dy : dy + rows * step : step, dx : dx + cols * step : step]
        np.multiply(window, x.dtype.type(weight[channel, dy, dx]), out=products)
        acc += products
    return acc


def _linear(stage: Stage, weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Accumulators of all units: ``[units, samples]``."""
    if stage.fan_in == stage.inputs:
        return weight.astype(x.dtype) @ np.ascontiguousarray(x.T).T
    most = max(int(np.count_nonzero(weight, axis=1).max()), 1)
    order = np.argsort(weight == 0, axis=1, kind="stable")[:, :most]
    weights = np.take_along_axis(weight, order, axis=1).astype(x.dtype)
    acc = np.zeros((stage.channels, x.shape[1]), dtype=x.dtype)
    for column in range(order.shape[1]):
        acc += weights[:, column, np.newaxis] * x[order[:, column]]
    return acc


def _requantise(
    stage: Stage, layer: QuantizedLayer, acc: np.ndarray, channels: slice
) -> np.ndarray:
    """Activations from accumulators whose first axis (or only channel) is ``channels``."""
    add = layer.add[channels].astype(acc.dtype).reshape(-1, *(1,) * (acc.ndim - 1))
    if stage.last:
        return acc + add
    if layer.mul is not None:
        acc = acc * layer.mul[channels].astype(acc.dtype).reshape(add.shape)
    return np.clip((acc + add) >> layer.shift, 0, ACT_MAX).astype(np.uint8)
