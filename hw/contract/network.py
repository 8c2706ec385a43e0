"""Description of a network: shapes, sparsity structure and winners, without any weights.

A network is a chain of layers; each layer is a convolution or a fully connected layer, followed on
the spot by optional max-pooling, requantisation (whose lower clamp is the ReLU) and optional
k-winners. BatchNorm is folded into weights and biases before a network gets here. The last layer is
linear and returns raw logits.

Kernel order is canonical: of a layer with complementary sets, kernel ``o`` belongs to set
``o % sets`` and is number ``o // sets`` within it. Exporters permute output channels to get there,
so that the order of the kernels, which also decides ties between winners, is the same for every
reader.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import prod
from typing import Any

from twofold.hw.contract.arith import ACT_BITS, LOGIT_BITS, accumulator_bits, add_bits
from twofold.hw.contract.errors import NetworkError

Shape = tuple[int, int, int]
"""Channels, height, width."""
OUTPUTS_MAX = 1 << 13
"""Outputs of a network at most: as many as the core has room for (`twofold.hw.machine.result`), and
as the CPU engine keeps on its stack.
"""
INPUT_BYTES_MAX = 1 << 26
"""Bytes of an input at most."""
CHANNELS_MAX = 1 << 16
"""Channels of an input at most: the CPU engine numbers them in 16 bits."""


@dataclass(frozen=True)
class Dense:
    """Every weight may be non-zero."""


@dataclass(frozen=True)
class Taps:
    """Each kernel has its own few taps, anywhere in its window.

    ``counts[o]`` is the number of non-zero weights of kernel ``o``. Uneven counts are allowed;
    keeping them descending lets the gather engine pair kernels of equal length.
    """

    counts: tuple[int, ...]


@dataclass(frozen=True)
class Complementary:
    """Kernels in ``sets``: inside a set an input position belongs to at most one kernel.

    The weight density is about one over the kernels of a set. ``fan_in`` bounds the non-zero
    weights of one kernel; ``None`` stands for an equal share of the input positions, rounded up.
    """

    sets: int
    fan_in: int | None = None


Sparsity = Dense | Taps | Complementary


@dataclass(frozen=True, kw_only=True)
class Conv2d:
    """A convolution, square pooling, requantisation and winners per pixel over the channels.

    Parameters
    ----------
    out_channels: number of kernels, >= 1.
    kernel: height and width of the window.
    stride, padding: the same in both directions; padded pixels hold the input's zero point (0 for
        hidden layers).
    pool: side of the max-pooling window and its stride; 1 for none. Rows and columns left over are
        dropped.
    sparsity: structure of the non-zero weights.
    k: winners kept of every pixel's channels; ``None`` keeps all.
    multiplier: requantise with a multiplier per channel besides the shift.
    """

    out_channels: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: int = 0
    pool: int = 1
    sparsity: Sparsity = field(default_factory=Dense)
    k: int | None = None
    multiplier: bool = False


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A fully connected layer, and winners over the whole vector.

    Its input is flattened in the order channel, row, column.

    Parameters
    ----------
    out_features: number of units, >= 1.
    sparsity: structure of the non-zero weights (``Dense`` or ``Complementary``).
    k: winners kept of the whole vector; ``None`` keeps all.
    multiplier: requantise with a multiplier per unit besides the shift.
    """

    out_features: int
    sparsity: Sparsity = field(default_factory=Dense)
    k: int | None = None
    multiplier: bool = False


Layer = Conv2d | Linear


@dataclass(frozen=True)
class Stage:
    """A layer in its place in the network, with everything that follows from the two.

    A linear layer is seen as a convolution whose window is the whole input, so both kinds share
    every field.

    Attributes
    ----------
    index: position in the network, from 0.
    number: position among the layers of its kind, from 1.
    layer: the description it was made from.
    in_shape: channels, height, width of the input.
    in_k: non-zero activations at most per input pixel (channels where the input is dense).
    kernel, stride, padding, pool: of the window; a linear layer has its input's size, 1, 0, 1.
    conv_shape: shape before pooling.
    out_shape: shape after pooling.
    last: whether its output are the logits.
    """

    index: int
    number: int
    layer: Layer
    in_shape: Shape
    in_k: int
    kernel: tuple[int, int]
    stride: int
    padding: int
    pool: int
    conv_shape: Shape
    out_shape: Shape
    last: bool

    @property
    def name(self) -> str:
        """Name in reports: kind and number among its kind, as in ``conv1`` or ``linear2``."""
        return f"{_kind_name(self.layer)}{self.number}"

    @property
    def channels(self) -> int:
        """Number of kernels."""
        return self.conv_shape[0]

    @property
    def taps(self) -> int:
        """Pixels in a kernel's window."""
        return self.kernel[0] * self.kernel[1]

    @property
    def inputs(self) -> int:
        """Input positions (tap, channel) of one kernel."""
        return self.taps * self.in_shape[0]

    @property
    def k(self) -> int:
        """Winners kept per pixel of a convolution or of a linear vector; all if none are chosen."""
        return self.layer.k if self.layer.k is not None else self.channels

    @property
    def sets(self) -> int:
        """Complementary sets; a layer of dense weights or of taps counts one for each kernel."""
        return (
            self.layer.sparsity.sets
            if isinstance(self.layer.sparsity, Complementary)
            else self.channels
        )

    @property
    def slots(self) -> int:
        """Kernels in a set (the last ones may be missing in some sets)."""
        return -(-self.channels // self.sets)

    @property
    def fan_in(self) -> int:
        """Non-zero weights of one kernel at most."""
        match self.layer.sparsity:
            case Dense():
                return self.inputs
            case Taps(counts):
                return max(counts)
            case Complementary(fan_in=int(fan_in)):
                return fan_in
            case Complementary():
                return -(-self.inputs // self.slots)

    @property
    def products(self) -> int:
        """Products at most in one accumulator: limited by its weights and its input's winners."""
        return min(self.fan_in, self.taps * self.in_k)

    @property
    def acc_bits(self) -> int:
        """Width of the accumulator, from `products`."""
        return accumulator_bits(self.products)

    @property
    def add_bits(self) -> int:
        """Width of the additive constant of requantisation, or of a logit's bias."""
        return add_bits(self.products, self.layer.multiplier)

    @property
    def multiplications_dense(self) -> int:
        """Multiplications of the dense layer for one sample."""
        return self.conv_shape[0] * self.conv_shape[1] * self.conv_shape[2] * self.inputs

    @property
    def weights(self) -> int:
        """Weights that may be non-zero."""
        match self.layer.sparsity:
            case Taps(counts):
                return sum(counts)
            case _:
                return min(self.sets * self.inputs, self.channels * self.fan_in)


@dataclass(frozen=True)
class Network:
    """A chain of layers over an input of uint8 activations.

    Parameters
    ----------
    name: slug used in file names and reports.
    input_shape: channels, height, width.
    layers: at least one; the last is `Linear` without winners.
    labels: names of the classes, in logit order. None at all stand for raw outputs: the network
        gives numbers, no class, and nothing looks for the largest of them.
    zero_point: input value that stands for zero (it fills padding; it is folded into the first
        layer's bias).

    Raises
    ------
    NetworkError: a layer is impossible; the message names the layer, the value and the rule.
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

    @property
    def outputs(self) -> int:
        """Logits, or raw outputs."""
        return self.stages[-1].channels

    @property
    def labelled(self) -> bool:
        """Whether the outputs are logits of classes; raw otherwise."""
        return bool(self.labels)

    @property
    def multiplications_dense(self) -> int:
        """Multiplications of the dense network for one sample."""
        return sum(stage.multiplications_dense for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """Plain, ordered representation; `twofold.hw.contract.reading` reads it back."""
        return {
            "name": self.name,
            "input_shape": list(self.input_shape),
            "zero_point": self.zero_point,
            "labels": list(self.labels),
            "layers": [_layer_to_json(layer) for layer in self.layers],
        }


def _kind_name(layer: Layer) -> str:
    return "conv" if isinstance(layer, Conv2d) else "linear"


def _stages(network: Network) -> Iterable[Stage]:
    shape, in_k = network.input_shape, network.input_shape[0]
    numbers: Counter[type] = Counter()
    for index, layer in enumerate(network.layers):
        numbers[type(layer)] += 1
        if isinstance(layer, Conv2d):
            kernel, stride, padding, pool = layer.kernel, layer.stride, layer.padding, layer.pool
            channels = layer.out_channels
        else:
            kernel, stride, padding, pool, channels = shape[1:], 1, 0, 1, layer.out_features
        rows, cols = (
            (size + 2 * padding - window) // stride + 1
            for size, window in zip(shape[1:], kernel, strict=True)
        )
        stage = Stage(
            index=index, number=numbers[type(layer)], layer=layer, in_shape=shape, in_k=in_k,
            kernel=kernel, stride=stride, padding=padding, pool=pool,
            conv_shape=(channels, rows, cols), out_shape=(channels, rows // pool, cols // pool),
            last=index == len(network.layers) - 1,
        )  # fmt: skip
        yield stage
        shape, in_k = stage.out_shape, stage.k


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise NetworkError(message)


def _check_network(network: Network) -> None:
    _check_frame(network)
    for layer in network.layers:
        _check_sizes(layer)
    kinds = [_kind_name(layer) for layer in network.layers]
    _require(
        kinds == sorted(kinds),
        f"network: convolutions come before linear layers, not {' '.join(kinds)}",
    )
    for stage in network.stages:
        _check_stage(stage)
    final, logits = network.layers[-1], network.stages[-1]
    _require(
        isinstance(final, Linear) and final.k is None,
        "network: the last layer must be linear without winners",
    )
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


def _check_frame(network: Network) -> None:
    """Everything but the layers."""
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


def _check_sizes(layer: Layer) -> None:
    if isinstance(layer, Linear):
        _require(
            layer.out_features >= 1,
            f"network: linear layer has {layer.out_features} units, needs >= 1",
        )
        return
    _require(
        len(layer.kernel) == 2, f"network: kernel is {layer.kernel}, needs a height and a width"
    )
    smallest = min(layer.out_channels, *layer.kernel, layer.stride, layer.pool, layer.padding + 1)
    _require(smallest >= 1, f"network: {layer} has a size below 1")


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
    match layer.sparsity:
        case Taps(counts):
            _require(
                isinstance(layer, Conv2d),
                f"{name}: taps are for convolutions; use complementary sets",
            )
            _require(
                len(counts) == stage.channels,
                f"{name}: {len(counts)} tap counts for {stage.channels} kernels",
            )
            _require(
                all(1 <= count <= stage.inputs for count in counts),
                f"{name}: taps per kernel are {min(counts)}..{max(counts)}, need 1..{stage.inputs}",
            )
        case Complementary(sets, fan_in):
            _require(
                1 <= sets <= stage.channels,
                f"{name}: {sets} sets, needs 1..{stage.channels} (its kernels)",
            )
            _require(
                fan_in is None or 1 <= fan_in <= stage.inputs,
                f"{name}: fan_in is {fan_in}, needs 1..{stage.inputs}",
            )
        case Dense():
            pass


def _layer_to_json(layer: Layer) -> dict[str, Any]:
    fields = asdict(layer)
    fields["sparsity"] = {"kind": type(layer.sparsity).__name__, **asdict(layer.sparsity)}
    return {"kind": type(layer).__name__, **fields}
