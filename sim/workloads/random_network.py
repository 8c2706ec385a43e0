"""Random networks, foldings, weights and inputs, all valid and all derived from a seed.

They exercise the packer, the golden model and the machine with shapes that no shipped network has.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from twofold.hw.contract.arith import ACT_MAX, SHIFT_MAX, WEIGHT_MAX, WEIGHT_MIN
from twofold.hw.contract.engines import engine_of
from twofold.hw.contract.folding import (
    Folding,
    GatherFolding,
    JoinFolding,
    LayerFolding,
    ScatterFolding,
    VectorFolding,
    plans,
)
from twofold.hw.contract.layers import POOLINGS
from twofold.hw.contract.layers.geometry import positions, same_padding, sides
from twofold.hw.contract.network import (
    Add,
    Complementary,
    Conv2d,
    Dense,
    Grouped,
    Layer,
    Linear,
    Network,
    Sparsity,
    Stage,
    Taps,
)
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.artefacts.quantized import own_group

AnyLayer = TypeVar("AnyLayer", bound=Layer)

SPREAD = 96
"""Target standard deviation of hidden activations before the clamps."""


POSITIONS = 12
"""Maximum number of positions in a map that is pooled as a whole."""
MULTIPLIERS = 48
"""Maximum number of multipliers of a random machine, which limits the cost of building it."""


def random_quantized(network: Network, seed: int = 0) -> QuantizedNetwork:
    """Random integers for ``network``: every weight in its structure is non-zero.

    Constants and shifts are chosen so that hidden activations spread over 0..255 with both
    clamps within reach, and differ from kernel to kernel.
    """
    generator = np.random.default_rng(seed)
    layers = tuple(_random_layer(stage, generator) for stage in network.stages)
    return QuantizedNetwork(network, layers, 2.0**-10, {"source": "random", "seed": seed})


def random_inputs(network: Network, count: int, seed: int = 0) -> np.ndarray:
    """Random inputs, uint8 ``[count, channels, height, width]``; every eighth has few values."""
    generator = np.random.default_rng(seed)
    inputs = generator.integers(0, ACT_MAX + 1, (count, *network.input_shape), dtype=np.uint8)
    inputs[::8] = generator.choice(
        np.array([0, 1, ACT_MAX], dtype=np.uint8), inputs[::8].shape, p=(0.5, 0.2, 0.3)
    )
    return inputs


def _random_layer(stage: Stage, generator: np.random.Generator) -> QuantizedLayer:
    used = _random_structure(stage, generator)
    weight = generator.integers(WEIGHT_MIN, WEIGHT_MAX, used.shape, dtype=np.int64)
    weight = ((weight + (weight >= 0)) * used).astype(np.int8)  # never 0, to show the structure
    spread = 74.0 * 100.0 * (stage.products * stage.terms) ** 0.5
    shift, mul = 0, None
    if not stage.last:
        shift = min(max(round(np.log2(spread / SPREAD)), 0), SHIFT_MAX)
    if stage.layer.multiplier:
        bits = max(12 - stage.terms.bit_length() + 1, 4)  # keeps constants within their range
        mul = generator.integers(1 << (bits - 2), 1 << bits, stage.channels, dtype=np.uint16)
        shift = min(shift + bits - 1, SHIFT_MAX)
    limit = 1 << (stage.add_bits - 1)
    centre = 100 * stage.terms * weight.reshape(stage.channels, -1).astype(np.int64).sum(axis=1)
    noise = generator.normal(0.0, spread / 2, stage.channels).round().astype(np.int64)
    add = (noise - centre) * (1 if mul is None else mul.astype(np.int64))
    if shift:
        add += 1 << (shift - 1)
    add = np.clip(add, -limit, limit - 1).astype(np.int32)
    return QuantizedLayer(weight=weight.reshape(stage.weight_shape), add=add, shift=shift, mul=mul)


def _random_structure(stage: Stage, generator: np.random.Generator) -> np.ndarray:
    """Where weights may be non-zero: bool ``[out, inputs]``."""
    used = np.zeros((stage.channels, stage.inputs), dtype=bool)
    _STRUCTURES[type(stage.layer.sparsity)](stage, used, generator)
    return used


def _all(_: Stage, used: np.ndarray, __: np.random.Generator) -> None:
    used[:] = True


def _taps(stage: Stage, used: np.ndarray, generator: np.random.Generator) -> None:
    for kernel, count in enumerate(stage.fan_ins):
        used[kernel, generator.permutation(stage.inputs)[:count]] = True


def _sets(stage: Stage, used: np.ndarray, generator: np.random.Generator) -> None:
    for group in range(stage.sets):
        members = np.arange(group, stage.channels, stage.sets)
        inputs = generator.permutation(stage.inputs)
        for at, member in enumerate(members):
            used[member, inputs[at :: len(members)][: stage.fan_in]] = True


def _groups(stage: Stage, used: np.ndarray, _: np.random.Generator) -> None:
    used[:] = own_group(stage)


_STRUCTURES = {Dense: _all, Taps: _taps, Complementary: _sets, Grouped: _groups}
"""How to place weights, by structure."""


def random_network(seed: int = 0, *, machine: bool = True) -> Network:
    """A random small network: up to two convolutions, perhaps with upper limits and a residual
    block behind them, one to three linear layers; sometimes with raw outputs.

    With ``machine`` it is one that the engines support: first a convolution over one to three
    channels, with any kind of weights, or a linear layer, then complementary sets or dense weights.
    Without, it may have taps anywhere in its convolutions.
    """
    source, image = random.Random(seed), random.Random(f"image {seed}")
    pooling, windows = random.Random(f"pooling {seed}"), random.Random(f"windows {seed}")
    groups, zeros = random.Random(f"groups {seed}"), random.Random(f"zeros {seed}")
    limits, raw = random.Random(f"limits {seed}"), random.Random(f"raw {seed}")
    shape = (
        image.choice((1, 1, 2, 3)) if machine else source.randint(1, 3),
        source.randint(6, 12),
        source.choice((8, 12, 16)) if machine else source.randint(6, 12),
    )
    if windows.random() < 0.1:  # one-dimensional
        shape = (shape[0], 1, shape[2])
    layers: list[Layer] = []
    planes = shape[0]
    size, area = min(shape[1:]), shape[1:]
    depth = source.randint(1, 2)
    for index in range(0 if windows.random() < 0.15 else depth):
        layer = _random_convolution(source, size)
        if layer is None:
            break
        layer = _random_window(windows, layer, area)
        layer = _random_weights(source, layer, shape[0] if not layers else 0, machine)
        if machine and not index and image.random() < 0.2:
            layer = replace(layer, sparsity=_random_sets(image, layer.out_channels))
        layer = _random_groups(groups, layer, planes)
        size = max(_output_size(layer, size), 1)
        layer = _random_pooling(pooling, layer, area)
        layer = _random_zero(zeros, layer)
        layers += [layer, *_random_limit(limits, layer)]
        planes = layer.out_channels
        area = _pooled(layer, area)
        size = min(size, *area)
    layers += _random_residual(random.Random(f"residual {seed}"), layers, area)
    for _ in range(source.randint(0, 2)):
        layers.append(_random_zero(zeros, _random_linear(source)))
    classes = source.randint(2, 6)
    layers.append(Linear(out_features=classes))
    return Network(
        name=f"random-{seed}",
        input_shape=shape,
        layers=tuple(layers),
        labels=() if raw.random() < 0.15 else _labels(classes),
        zero_point=source.choice((0, 96, source.randint(0, ACT_MAX))),
    )


def with_outputs(network: Network, outputs: int, *, labelled: bool = True) -> Network:
    """The same network with a different number of outputs, of dense weights; raw outputs if not
    ``labelled``.

    Raises NetworkError as `Network` does.
    """
    last = replace(network.layers[-1], out_features=outputs, sparsity=Dense())
    return replace(
        network,
        name=f"{network.name}-{outputs}{'' if labelled else '-raw'}",
        layers=(*network.layers[:-1], last),
        labels=_labels(outputs) if labelled else (),
    )


def _labels(outputs: int) -> tuple[str, ...]:
    return tuple(f"class {label}" for label in range(outputs))


def _output_size(layer: Conv2d, size: int) -> int:
    side = max(layer.kernel)
    rows, cols = positions((size, size), (side, side), layer.stride, layer.padding)
    return min(rows, cols) // max(sides(layer.pool))


def _positions(layer: Conv2d, area: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a convolution before pooling."""
    return positions(area, layer.kernel, layer.stride, layer.padding)


def _pooled(layer: Conv2d, area: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a convolution's output."""
    (rows, cols), (down, across) = _positions(layer, area), sides(layer.pool)
    return rows // down, cols // across


def _random_pooling(source: random.Random, layer: Conv2d, area: tuple[int, int]) -> Conv2d:
    """The layer, or one with another kind and window of pooling, sometimes over the whole map."""
    if source.random() < 0.5:
        return layer
    rows, cols = _positions(layer, area)
    down, across = (range(1, min(size, 3) + 1) for size in (rows, cols))
    windows = [(row, col) for row in down for col in across]
    if rows * cols <= POSITIONS:
        windows += [(rows, cols)] * 3
    return replace(layer, pool=source.choice(windows), pooling=source.choice(sorted(POOLINGS)))


def _random_window(source: random.Random, layer: Conv2d, area: tuple[int, int]) -> Conv2d:
    """The layer, or one whose kernel, strides and padding differ from direction to direction."""
    if source.random() < 0.5:
        return layer
    kernel = source.randint(1, min(3, area[0])), source.randint(1, min(4, area[1]))
    stride = source.choice((1, 1, 2)), source.choice((1, 1, 2, 3))
    top, left, bottom, right = (source.randint(0, side - 1) for side in kernel * 2)
    padding = source.choice(((top, left, bottom, right), same_padding(area, kernel, stride)))
    changed = replace(layer, kernel=kernel, stride=stride, padding=padding)
    return changed if min(_pooled(changed, area)) >= 1 else layer


def _random_convolution(source: random.Random, size: int) -> Conv2d | None:
    """A convolution over at least ``size`` pixels in both directions; None if none fits."""
    side = source.randint(1, min(3, size))
    kernel = (side, source.randint(1, side))
    out_channels = source.choice((2, 3, 4, 6, 8, 9))
    layer = Conv2d(
        out_channels=out_channels,
        kernel=kernel,
        stride=source.choice((1, 1, 2)),
        padding=source.choice((0, 0, source.randint(0, side - 1))),
        pool=source.choice((1, 2, 2)),
        k=source.choice((None, source.randint(1, out_channels))),
        multiplier=source.random() < 0.25,
    )
    if _output_size(layer, size) < 1:
        layer = replace(layer, stride=1, pool=1)
    if _output_size(layer, size) < 1:
        return None
    return layer


def _random_weights(source: random.Random, layer: Conv2d, channels: int, machine: bool) -> Conv2d:
    """The layer with a structure of weights; ``channels`` of the image, 0 behind another layer."""
    out_channels = layer.out_channels
    if not channels and (machine or source.random() < 0.5):
        return replace(layer, sparsity=_random_sets(source, out_channels))
    if source.random() < 0.3:
        return layer
    most = layer.kernel[0] * layer.kernel[1] * (channels or 1)
    counts = sorted((source.randint(1, most) for _ in range(out_channels)), reverse=True)
    return replace(layer, sparsity=Taps(tuple(counts)))


def _random_groups(source: random.Random, layer: Conv2d, planes: int) -> Conv2d:
    """The layer, or one whose kernels see some of its ``planes`` input channels, or one each."""
    choices = _divisors(planes)[1:]
    if source.random() < 0.7 or not choices:
        return layer
    out_channels = planes * source.choice((1, 1, 2))
    return replace(
        layer,
        out_channels=out_channels,
        sparsity=Grouped(source.choice(choices)),
        k=source.choice((None, source.randint(1, out_channels))),
    )


def _random_zero(source: random.Random, layer: AnyLayer) -> AnyLayer:
    """The layer, or one that keeps negative values."""
    if source.random() < 0.8:
        return layer
    return replace(layer, k=None, zero=source.choice((128, source.randint(1, ACT_MAX))))


def _random_limit(source: random.Random, layer: Conv2d) -> list[Conv2d]:
    """Nothing, or what an upper limit of the activations becomes: a layer of one weight a channel,
    which requantises them (see `twofold.sw.onnx.importer`).
    """
    if source.random() < 0.85:
        return []
    channels = layer.out_channels
    k = layer.k if layer.zero == 0 else None
    limit = Conv2d(out_channels=channels, kernel=(1, 1), sparsity=Grouped(channels), k=k)
    return [replace(limit, multiplier=source.random() < 0.7)]


def _random_residual(
    source: random.Random, layers: list[Layer], area: tuple[int, int]
) -> list[Layer]:
    """Nothing, or a residual block behind the convolutions so far: one or two of its own, and an
    addition of what is in front of it or of a branch of one pixel, perhaps with strides.
    """
    if not layers or source.random() < 0.6:
        return []
    start, planes = len(layers) - 1, layers[-1].window((1, *area)).channels
    branch = source.random() < 0.5
    channels = source.choice((planes, 2, 4)) if branch else planes
    stride = source.choice((1, 2)) if branch else 1
    k = source.choice((None, source.randint(1, channels))) if branch else layers[-1].k

    def convolution(kernel: tuple[int, int], stride: int, behind: int | None) -> Conv2d:
        layer = Conv2d(
            out_channels=channels, kernel=kernel, stride=stride, k=k, source=behind,
            padding=same_padding(area, kernel, stride) if max(kernel) > 1 else 0,
            sparsity=_random_sets(source, channels), multiplier=source.random() < 0.25,
        )  # fmt: skip
        return _random_zero(source, layer) if k is None else layer

    def addition(other: int) -> Add:
        layer = Add(other=other, sparsity=Grouped(channels), k=source.choice((None, 1)))
        return _random_zero(source, replace(layer, multiplier=source.random() < 0.5))

    kernel = source.randint(1, min(3, area[0])), source.randint(1, min(3, area[1]))
    trunk = [convolution(kernel, stride, None)]
    if source.random() < 0.3:
        trunk.append(replace(convolution((1, 1), 1, None), multiplier=True))
    if not branch:
        return [*trunk, addition(start)]
    return [*trunk, convolution((1, 1), stride, start), addition(start + len(trunk))]


def _random_linear(source: random.Random) -> Linear:
    units = source.choice((4, 6, 8, 12, 16, 20))
    return Linear(
        out_features=units,
        sparsity=_random_sets(source, units),
        k=source.choice((None, source.randint(1, units))),
        multiplier=source.random() < 0.25,
    )


def _random_sets(source: random.Random, kernels: int) -> Sparsity:
    if source.random() < 0.2:
        return Dense()
    return Complementary(source.randint(1, kernels))


def random_folding(network: Network, seed: int = 0) -> Folding:
    """A random folding that divides ``network`` (one the engines support; see `random_network`),
    with at most `MULTIPLIERS`.
    """
    source = random.Random(seed)
    while True:
        folding = _random_folding(source, network)
        if sum(plan.multipliers for plan in plans(network, folding)) <= MULTIPLIERS:
            return folding


def _random_folding(source: random.Random, network: Network) -> Folding:
    layers = [_FOLDINGS[engine_of(stage)](source, stage) for stage in network.stages]
    width = network.input_shape[2]
    choices = [*_divisors(width), 2 * width]
    input_bytes, frames = source.choice(choices), source.choice((2, 3, 4))
    if network.stages[0].layer.FLATTENS:
        layers[0] = _random_vector(source, network.stages[0], input_bytes)
    return Folding(tuple(layers), input_bytes=input_bytes, frames=frames)


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


def _random_gather(source: random.Random, stage: Stage) -> GatherFolding:
    _, rows, cols = stage.out_shape
    return GatherFolding(
        rows=source.choice(_divisors(rows)),
        cols=source.choice(_divisors(cols)),
        streams=source.randint(1, min(stage.channels, 4)),
    )


def _random_vector(source: random.Random, stage: Stage, input_bytes: int) -> VectorFolding:
    lanes = source.choice(_divisors(stage.sets))
    return VectorFolding(
        engines=source.choice(_divisors(input_bytes)[:4]),
        lanes=lanes,
        drain=source.choice(_divisors(lanes)),
    )


def _random_scatter(source: random.Random, stage: Stage) -> ScatterFolding:
    _, rows, cols = stage.out_shape
    lanes = source.choice(_divisors(stage.sets))
    streamed = stage.number > 1 and not stage.per_pixel
    return ScatterFolding(
        rows=source.choice(_divisors(rows)),
        cols=source.choice(_divisors(cols)),
        engines=source.randint(1, 3 if streamed else min(3, stage.taps)),
        lanes=lanes,
        drain=1 if stage.per_pixel else source.choice(_divisors(lanes)),
    )


def _random_join(source: random.Random, stage: Stage) -> JoinFolding:
    _, rows, cols = stage.out_shape
    return JoinFolding(
        rows=source.choice(_divisors(rows)),
        cols=source.choice(_divisors(cols)),
        lanes=source.choice(_divisors(stage.sets)),
    )


_FOLDINGS: dict[type[LayerFolding], Callable[[random.Random, Stage], LayerFolding]] = {
    GatherFolding: _random_gather,
    ScatterFolding: _random_scatter,
    JoinFolding: _random_join,
    VectorFolding: _random_gather,
}
"""Foldings by engine; a vector engine gets its own (`_random_vector`) when the width of a beat is
known.
"""
