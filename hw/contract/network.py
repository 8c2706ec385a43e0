"""Description of a network: shapes, sparsity structure and winners, without any weights.

A network is a list of layers, each of a kind in `twofold.hw.contract.layers`: a convolution, an
addition or a fully connected layer. A layer reads the one before it, unless it names another; an
addition reads two, which is how a residual branch joins its trunk. Each is followed by optional
pooling, requantisation (whose lower clamp is the ReLU) and optional k-winners. BatchNorm has been
fused into weights and biases beforehand. The last layer is linear and returns raw logits.

Kernel order is canonical: in a layer with complementary sets, kernel ``o`` belongs to set ``o %
sets`` and is number ``o // sets`` within it. Exporters permute output channels to obtain this
order, so that the kernel order, which also breaks ties between winners, is the same for every
reader.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

from twofold.hw.contract.arith import ACT_BITS, LOGIT_BITS, accumulator_bits, add_bits
from twofold.hw.contract.layers import (
    Add,
    Complementary,
    Conv2d,
    Dense,
    Grouped,
    Layer,
    Linear,
    Output,
    Padding,
    Pooling,
    Shape,
    Size,
    Sparsity,
    Taps,
)
from twofold.hw.contract.layers.description import require as _require
from twofold.hw.contract.layers.geometry import edges, positions, sides

OUTPUTS_MAX = 1 << 13
"""Maximum number of outputs of a network: what the core has room for (`twofold.hw.machine.result`),
and what the CPU engine keeps on its stack.
"""
INPUT_BYTES_MAX = 1 << 26
"""Maximum size of an input in bytes."""
CHANNELS_MAX = 1 << 16
"""Maximum number of input channels: the CPU engine numbers them in 16 bits."""


@dataclass(frozen=True)
class Stage:
    """A layer at its place in the network, with everything that follows from the two.

    Every kind is treated as a convolution, a linear layer as one whose window is the whole input,
    so that all of them have the same fields.

    Attributes
    ----------
    index: position in the network, from 0.
    number: position among the layers of its kind, from 1.
    layer: description that the stage was made from.
    in_shape: channels, height, width of the input.
    in_k: maximum number of non-zero activations per input pixel (channels if the input is dense).
    kernel, stride, padding, pool: of the window (see `twofold.hw.contract.layers.Window`).
    conv_shape: shape before pooling.
    out_shape: shape after pooling.
    last: whether its outputs are the logits.
    zero: input value that stands for 0, which fills the padding.
    sources: indices of the layers that it reads; -1 is the network's input.
    zeros: of each of them, the value that stands for 0.
    """

    index: int
    number: int
    layer: Layer
    in_shape: Shape
    in_k: int
    kernel: tuple[int, int]
    stride: Size
    padding: Padding
    pool: Size
    conv_shape: Shape
    out_shape: Shape
    last: bool
    zero: int = field(repr=False)
    sources: tuple[int, ...] = field(repr=False)
    zeros: tuple[int, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """Name in reports: kind and number within that kind, as in ``conv1`` or ``linear2``."""
        return f"{self.layer.NAME}{self.number}"

    @property
    def channels(self) -> int:
        """Number of kernels."""
        return self.conv_shape[0]

    @property
    def taps(self) -> int:
        """Number of pixels in a kernel's window, of all layers that it reads."""
        return self.kernel[0] * self.kernel[1] * len(self.sources)

    @property
    def skips(self) -> tuple[int, ...]:
        """For each layer that it reads, how many layers it skips by doing so. While a sample is in
        those, samples behind it have to wait for them (see `twofold.hw.contract.folding.Folding`).
        """
        return tuple(self.index - 1 - source for source in self.sources)

    @property
    def inputs(self) -> int:
        """Number of input positions (tap, channel) of one kernel."""
        return self.taps * self.in_shape[0]

    @property
    def k(self) -> int:
        """Winners kept per pixel of a convolution, or per linear vector; all if there is no
        selection.
        """
        return self.layer.k if self.layer.k is not None else self.channels

    @property
    def output(self) -> Output:
        """Form in which its activations leave."""
        return Output.LOGITS if self.last else self.layer.OUTPUT

    @property
    def per_pixel(self) -> bool:
        """Whether winners are chosen pixel by pixel rather than from the whole output."""
        return self.output is Output.PIXELS

    @property
    def pooling(self) -> Pooling:
        """Kind of the pooling."""
        return self.layer.pools

    @property
    def pool_window(self) -> tuple[int, int]:
        """Height and width of the pooling window."""
        return sides(self.pool)

    @property
    def strides(self) -> tuple[int, int]:
        """Pixels from one position to the next, down and across."""
        return sides(self.stride)

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Padded pixels at top, left, bottom and right."""
        return edges(self.padding)

    @property
    def positions(self) -> int:
        """Number of convolution positions that make up a pixel of the output."""
        rows, cols = self.pool_window
        return rows * cols

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight array."""
        return self.layer.weight_shape(self.in_shape)

    @property
    def sets(self) -> int:
        """Number of complementary sets; with dense weights or taps, every kernel is a set."""
        return self.layer.sparsity.sets_of(self.channels)

    @property
    def groups(self) -> int:
        """Number of groups that kernels and input channels are split into."""
        return self.layer.sparsity.groups_of()

    @property
    def slots(self) -> int:
        """Number of kernels in a set (some sets may lack the last one)."""
        return -(-self.channels // self.sets)

    @property
    def fan_in(self) -> int:
        """Maximum number of non-zero weights of one kernel."""
        return self.layer.sparsity.fan_in_of(self.channels, self.inputs)

    @property
    def fan_ins(self) -> tuple[int, ...]:
        """Maximum number of non-zero weights of each kernel."""
        return self.layer.sparsity.fan_ins_of(self.channels, self.inputs)

    @property
    def products(self) -> int:
        """Most products in one accumulator: limited by its weights and by its input's winners."""
        return min(self.fan_in, self.taps * self.in_k)

    @property
    def acc_bits(self) -> int:
        """Width of a position's accumulator, from `products`."""
        return accumulator_bits(self.products)

    @property
    def terms(self) -> int:
        """Number of positions' accumulators that are summed in a pooled pixel's accumulator."""
        return self.pooling.terms(self.positions)

    @property
    def share(self) -> float:
        """Ratio of a pooled pixel's real value to its accumulator, in the scale of a position."""
        return self.pooling.share(self.positions)

    @property
    def pooled_bits(self) -> int:
        """Width of a pooled pixel's accumulator."""
        return accumulator_bits(self.products * self.terms)

    @property
    def add_bits(self) -> int:
        """Width of the additive constant of requantisation, or of a logit's bias."""
        return add_bits(self.products * self.terms, self.layer.multiplier)

    @property
    def multiplications_dense(self) -> int:
        """Multiplications that the dense layer would take per sample."""
        return self.conv_shape[0] * self.conv_shape[1] * self.conv_shape[2] * self.inputs

    @property
    def weights(self) -> int:
        """Number of weights that may be non-zero."""
        return self.layer.sparsity.weights_of(self.channels, self.inputs)


@dataclass(frozen=True)
class Network:
    """Layers over an input of uint8 activations, each behind those that it reads.

    Parameters
    ----------
    name: slug for file names and reports.
    input_shape: channels, height, width.
    layers: at least one; the last is `Linear` without winners.
    labels: names of the classes, in logit order. An empty tuple means raw outputs: the network
        returns numbers and no class, and the largest of them is not searched for.
    zero_point: input value that represents zero (it fills the padding, and the first layer's bias
        compensates for it).

    Raises
    ------
    NetworkError: a layer is invalid; the message names the layer, the value and the rule.
    """

    name: str
    input_shape: Shape
    layers: tuple[Layer, ...]
    labels: tuple[str, ...]
    zero_point: int = 0

    def __post_init__(self) -> None:
        _check_network(self)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """Every layer with its shapes."""
        return tuple(_stages(self))

    @cached_property
    def readers(self) -> tuple[tuple[int, ...], ...]:
        """For every layer, the indices of those that read it, in order; none for the last."""
        stages = self.stages
        return tuple(
            tuple(later.index for later in stages if stage.index in later.sources)
            for stage in stages
        )

    @property
    def outputs(self) -> int:
        """Number of logits, or of raw outputs."""
        return self.stages[-1].channels

    @property
    def labelled(self) -> bool:
        """Whether the outputs are logits of classes rather than raw."""
        return bool(self.labels)

    @property
    def multiplications_dense(self) -> int:
        """Multiplications that the dense network would take per sample."""
        return sum(stage.multiplications_dense for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """Plain, ordered representation; `twofold.hw.contract.reading` reads it back."""
        return {
            "name": self.name,
            "input_shape": list(self.input_shape),
            "zero_point": self.zero_point,
            "labels": list(self.labels),
            "layers": [layer.to_json() for layer in self.layers],
        }


def _stages(network: Network) -> Iterable[Stage]:
    numbers: Counter[str] = Counter()
    found: list[Stage] = []
    for index, layer in enumerate(network.layers):
        numbers[layer.NAME] += 1
        sources = layer.sources(index)
        shape, in_k = network.input_shape, network.input_shape[0]
        if index:
            shape, in_k = found[sources[0]].out_shape, found[sources[0]].k
        zeros = tuple(
            network.layers[source].zero if source >= 0 else network.zero_point for source in sources
        )
        window = layer.window(shape)
        rows, cols = positions(shape[1:], window.kernel, window.stride, window.padding)
        pool_rows, pool_cols = sides(window.pool)
        stage = Stage(
            index=index, number=numbers[layer.NAME], layer=layer, in_shape=shape, in_k=in_k,
            kernel=window.kernel, stride=window.stride, padding=window.padding, pool=window.pool,
            conv_shape=(window.channels, rows, cols),
            out_shape=(window.channels, rows // pool_rows, cols // pool_cols),
            last=index == len(network.layers) - 1, zero=zeros[0], sources=sources, zeros=zeros,
        )  # fmt: skip
        found.append(stage)
        yield stage


def _check_network(network: Network) -> None:
    _check_frame(network)
    for layer in network.layers:
        layer.check_sizes()
    flat = [layer.FLATTENS for layer in network.layers]
    _require(
        flat == sorted(flat),
        "network: convolutions come before linear layers, not "
        + " ".join(layer.NAME for layer in network.layers),
    )
    _check_sources(network)
    for stage in network.stages:
        _check_stage(stage)
    final, logits = network.layers[-1], network.stages[-1]
    _require(
        final.ENDS and final.k is None,
        "network: the last layer must be linear without winners",
    )
    _require(not final.zero, "network: logits are signed as they are, so zero is 0")
    _require(not final.multiplier, "network: logits are not requantised, so no multiplier")
    _require(
        max(logits.acc_bits, logits.add_bits) < LOGIT_BITS,
        f"{logits.name}: {logits.products} products a logit, too many for {LOGIT_BITS} bits",
    )
    _require(
        network.outputs <= OUTPUTS_MAX,
        f"{logits.name}: {network.outputs} outputs, a network has {OUTPUTS_MAX} at most",
    )
    _require(
        len(network.labels) in (0, network.outputs),
        f"network: {len(network.labels)} labels for {network.outputs} logits, needs one for each, "
        "or none for raw outputs",
    )


def _check_sources(network: Network) -> None:
    """Check which layers every layer reads, before anything follows from them."""
    for index, layer in enumerate(network.layers):
        sources = layer.sources(index)
        first = index == 0 and sources == (-1,)
        _require(
            first or all(0 <= source < index for source in sources),
            f"network: layer {index} reads layers {sources}, needs 0..{index - 1}"
            if index
            else f"network: the first layer reads layers {sources}, needs the input alone",
        )
        _require(
            len(set(sources)) == len(sources),
            f"network: layer {index} reads layer {sources[0]} twice",
        )
    stages = network.stages
    for stage, readers in zip(stages[:-1], network.readers, strict=False):
        _require(
            bool(readers),
            f"{stage.name}: no layer reads it; leave it out, or name it as a source",
        )
        _require(
            stage.per_pixel or readers == (stage.index + 1,),
            f"{stage.name}: layers {readers} read it, a linear layer is read by the next one only",
        )
    for stage in stages:
        read = [stages[source] for source in stage.sources if source >= 0]
        forms = [(one.out_shape, one.k) for one in read]
        _require(
            len(set(forms)) <= 1,
            f"{stage.name}: adds "
            + " and ".join(f"{shape} with {k} winners" for shape, k in forms)
            + "; they need the same shape and number of winners",
        )


def _check_frame(network: Network) -> None:
    """Check everything but the layers."""
    _require(
        re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", network.name) is not None,
        f"network: name is {network.name!r}, needs 1..64 letters, digits, '-', '_' or '.'",
    )
    for label in network.labels:
        _require(
            label.isprintable() and 0 < len(label) <= 64,
            f"network: label is {label!r}, needs 1..64 printable characters",
        )
    _require(len(network.layers) >= 1, "network: has no layers, needs at least one")
    _require(
        len(network.input_shape) == 3 and min(network.input_shape) >= 1,
        f"network: input_shape is {network.input_shape}, needs channels, height, width >= 1",
    )
    _require(
        network.input_shape[0] <= CHANNELS_MAX,
        f"network: input of {network.input_shape[0]} channels, {CHANNELS_MAX} at most; put them "
        "into rows and columns",
    )
    _require(
        prod(network.input_shape) <= INPUT_BYTES_MAX,
        f"network: input of {prod(network.input_shape)} bytes, {INPUT_BYTES_MAX} at most",
    )
    _require(
        0 <= network.zero_point < 1 << ACT_BITS,
        f"network: zero_point is {network.zero_point}, needs 0..{(1 << ACT_BITS) - 1}",
    )


def _check_stage(stage: Stage) -> None:
    name, layer = stage.name, stage.layer
    _require(
        min(stage.out_shape) >= 1,
        f"{name}: window {stage.kernel}, pool {stage.pool} leave nothing of input {stage.in_shape}",
    )
    if layer.k is not None:
        _require(
            1 <= layer.k <= stage.channels,
            f"{name}: k is {layer.k}, needs 1..{stage.channels} (its channels)",
        )
    _require(
        0 <= layer.zero < 1 << ACT_BITS,
        f"{name}: zero is {layer.zero}, needs 0..{(1 << ACT_BITS) - 1}",
    )
    _require(
        not layer.zero or stage.k == stage.channels,
        f"{name}: {stage.k} winners of {stage.channels} with zero at {layer.zero}; winners are for "
        "layers with ReLU",
    )
    layer.check_structure(name, stage.channels)
    layer.sparsity.check(name, stage.channels, stage.inputs, stage.in_shape[0])


__all__ = [
    "Add", "Complementary", "Conv2d", "Dense", "Grouped", "Layer", "Linear", "Network", "Output",
    "Shape", "Sparsity", "Stage", "Taps",
]  # fmt: skip
