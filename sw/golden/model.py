"""Inference in NumPy integers, many samples at a time.

The model depends only on `twofold.hw.contract.arith`: it knows shapes and weights, not how the
machine folds them. Zero weights cost no time. Internally, samples are the last axis of every array,
so that each operation runs over contiguous memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.network import Add, Conv2d, Layer, Linear, Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.artefacts.arrays import checked_inputs
from twofold.sw.golden.count import multiplications
from twofold.sw.golden.pooling import pooled, pooled_area
from twofold.sw.golden.winners import keep_winners

Finish = Callable[[np.ndarray, slice], np.ndarray]
CHUNK = 128
"""Samples computed at a time: bounds memory use, and keeps a kernel's accumulators in the cache."""
FEW = 16
"""Up to so many samples a layer is one product of matrices: zeros cost less than calls."""
EXACT_BITS = 53
"""Integers of so many bits are exact in float64, whose products of matrices are fast."""


@dataclass(frozen=True, eq=False)
class Golden:
    """Everything the network computes for a number of samples.

    Attributes
    ----------
    logits: int32 ``[samples, outputs]``.
    labels: int64 ``[samples]``; index of the largest logit, ties to the lower index. None for raw
        outputs.
    activations: of each hidden layer, after winner selection: uint8 ``[samples, channels, rows,
        columns]`` (1 row and 1 column for a linear layer); empty if not requested.
    multiplications: int64 ``[samples, layers]``; products of a non-zero activation with a stored
        weight. The first layer's input counts as dense.
    nonzero: int64 ``[samples, hidden layers]``; non-zero activations after winner selection.
    multiplications_dense: of the same network without any sparsity, for one sample.
    """

    logits: np.ndarray
    labels: np.ndarray | None
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
    """Run inputs (uint8 ``[samples, channels, height, width]``, or without channels).

    Without ``keep_activations``, memory does not grow with the samples' activations.
    ``progress`` is called after each chunk with the number of samples in it.
    Raises ArtefactError if the inputs do not have the network's shape.
    """
    network = quantized.network
    inputs = checked_inputs(network, inputs)
    chunks = []
    for start in range(0, max(len(inputs), 1), CHUNK):
        chunk = inputs[start : start + CHUNK]
        chunks.append(_forward_chunk(quantized, chunk, keep_activations))
        if progress is not None:
            progress(len(chunk))
    logits = np.concatenate([chunk.logits for chunk in chunks])
    return Golden(
        logits=logits,
        labels=logits.argmax(axis=1) if network.labelled else None,
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


def _forward_chunk(
    quantized: QuantizedNetwork, inputs: np.ndarray, keep_activations: bool
) -> _Chunk:
    samples, stages = len(inputs), quantized.network.stages
    counts = np.zeros((samples, len(stages)), dtype=np.int64)
    nonzero = np.zeros((samples, len(stages) - 1), dtype=np.int64)
    activations: list[np.ndarray] = []
    values = {-1: np.ascontiguousarray(inputs.transpose(1, 2, 3, 0))}
    for index, (stage, layer) in enumerate(zip(stages, quantized.layers, strict=True)):
        read = [values[source] for source in stage.sources]
        counts[:, index] = sum(multiplications(stage, layer, x) for x in read)
        y = values[index] = _layer(stage, layer, read, stage.zero)
        if stage.last:
            break
        if stage.k < stage.channels:
            keep_winners(y, stage.k)
        nonzero[:, index] = np.count_nonzero(y, axis=(0, 1, 2))
        if keep_activations:
            activations.append(np.ascontiguousarray(y.transpose(3, 0, 1, 2)))
    logits = np.ascontiguousarray(values[len(stages) - 1][:, 0, 0].T.astype(np.int32))
    return _Chunk(logits, activations, counts, nonzero)


def _layer(
    stage: Stage, layer: QuantizedLayer, read: Sequence[np.ndarray], zero: int
) -> np.ndarray:
    """Output of a layer, ``[channels, rows, columns, samples]``; logits for the last one."""
    wide = stage.layer.multiplier or stage.pooled_bits + 2 > 32
    read = [x.astype(np.int64 if wide else np.int32) for x in read]
    return layer_output(
        stage,
        layer.weight,
        read,
        lambda acc, channels: _requantise(stage, layer, acc, channels),
        zero,
    )


def layer_output(
    stage: Stage,
    weight: np.ndarray,
    read: Sequence[np.ndarray],
    finish: Finish,
    zero: float = 0,
) -> np.ndarray:
    """Output of a layer, ``[channels, rows, columns, samples]``, with any rounding rule.

    Parameters
    ----------
    weight: in the layer's weight shape; only non-zero values cost time.
    read: activations of each layer that it reads, ``[channels, rows, columns, samples]``, in the
        type of the accumulators.
    finish: maps the sums after pooling, and the slice of channels they belong to, to the output.
    zero: value of the padding.
    """
    return _RULES[type(stage.layer)](stage, weight, read, finish, zero)


def _convolution(
    stage: Stage, weight: np.ndarray, read: Sequence[np.ndarray], finish: Finish, zero: float
) -> np.ndarray:
    (x,) = read
    if stage.padding:
        top, left, bottom, right = stage.edges
        edges = (0, 0), (top, bottom), (left, right), (0, 0)
        x = np.pad(x, edges, constant_values=zero)
    sums = _at_once(stage, weight, x) if _few(stage, x) else None
    out = []
    for kernel in range(stage.channels):
        acc = _convolve(stage, weight[kernel], x) if sums is None else sums[kernel]
        out.append(finish(pooled(stage, acc)[np.newaxis], slice(kernel, kernel + 1)))
    return np.concatenate(out)


def _addition(
    _: Stage, weight: np.ndarray, read: Sequence[np.ndarray], finish: Finish, __: float
) -> np.ndarray:
    acc = sum(x * per_channel(x, weight[..., at].diagonal()) for at, x in enumerate(read))
    return finish(np.asarray(acc), slice(None))


def _fully_connected(
    stage: Stage, weight: np.ndarray, read: Sequence[np.ndarray], finish: Finish, _: float
) -> np.ndarray:
    (x,) = read
    acc = _linear(stage, weight, x.reshape(stage.inputs, x.shape[3]))
    return finish(acc.reshape(*stage.out_shape, x.shape[3]), slice(None))


Rule = Callable[[Stage, np.ndarray, Sequence[np.ndarray], Finish, float], np.ndarray]

_RULES: dict[type[Layer], Rule] = {
    Conv2d: _convolution,
    Add: _addition,
    Linear: _fully_connected,
}
"""Output of a layer, by its kind: see `layer_output`."""


def _few(stage: Stage, x: np.ndarray) -> bool:
    """Whether a layer is one product of matrices; floats keep their order of summation."""
    exact = x.dtype.kind == "i" and stage.pooled_bits <= EXACT_BITS
    return exact and 0 < x.shape[-1] <= FEW


def _at_once(stage: Stage, weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Accumulators ``[kernels, rows, columns, samples]`` at all positions that pooling uses."""
    (rows, cols), (down, across) = pooled_area(stage), stage.strides
    shape = (1, *stage.kernel, 1)
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(float), shape)[..., 0, :, :, 0]
    used = windows[:, : rows * down : down, : cols * across : across]
    return _product(
        weight.reshape(stage.channels, -1),
        used.transpose(0, 4, 5, 1, 2, 3).reshape(-1, rows * cols * x.shape[3]),
        x.dtype,
    ).reshape(stage.channels, rows, cols, x.shape[3])


def _product(weight: np.ndarray, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return (weight.astype(float) @ x.astype(float)).astype(dtype)


def _convolve(stage: Stage, weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Accumulators of one kernel at all positions that pooling uses."""
    (rows, cols), (down, across) = pooled_area(stage), stage.strides
    acc = np.zeros((rows, cols, x.shape[3]), dtype=x.dtype)
    products = np.empty_like(acc)
    for channel, dy, dx in np.argwhere(weight):
        window = x[channel, dy : dy + rows * down : down, dx : dx + cols * across : across]
        np.multiply(window, x.dtype.type(weight[channel, dy, dx]), out=products)
        acc += products
    return acc


def _linear(stage: Stage, weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Accumulators of all units: ``[units, samples]``."""
    if _few(stage, x):
        return _product(weight, x, x.dtype)
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
    """Activations from accumulators whose first axis is ``channels``."""
    add = per_channel(acc, layer.add[channels])
    if stage.last:
        return acc + add
    if layer.mul is not None:
        acc = acc * per_channel(acc, layer.mul[channels])
    return np.clip((acc + add) >> layer.shift, 0, ACT_MAX).astype(np.uint8)


def per_channel(acc: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Per-channel values in the accumulators' type, shaped to broadcast against them."""
    return values.astype(acc.dtype).reshape(-1, *(1,) * (acc.ndim - 1))
