"""What all layer kinds have in common, and what each kind has to define."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from twofold.hw.contract.layers.description import (
    LATER,
    Description,
    boolean,
    kind_of,
    optional_integer,
)
from twofold.hw.contract.layers.geometry import Padding, Size
from twofold.hw.contract.layers.pooling import MAX, Pooling
from twofold.hw.contract.layers.sparsity import SPARSITIES, Dense, Sparsity

Shape = tuple[int, int, int]
"""Channels, height, width."""


class Output(Enum):
    """The form in which activations leave a layer.

    ``PIXELS``: a list of winners for each pixel, chosen over its channels. ``WINNERS``: the winners
    of the whole vector, as a stream. ``LOGITS``: raw sums, the result of the network.
    """

    PIXELS = "pixels"
    WINNERS = "winners"
    LOGITS = "logits"


@dataclass(frozen=True)
class Window:
    """How a layer's kernels cover an input.

    Attributes
    ----------
    channels: number of kernels.
    kernel, stride, padding: of the window that moves over the input.
    pool: size of the pooling window, which is also its stride.
    """

    channels: int
    kernel: tuple[int, int]
    stride: Size = 1
    padding: Padding = 0
    pool: Size = 1


@dataclass(frozen=True, kw_only=True, repr=False)
class Layer(Description):
    """A layer: sums of products, requantisation and k-winners.

    Parameters
    ----------
    sparsity: structure of the non-zero weights.
    k: number of winners kept; ``None`` keeps all activations.
    multiplier: whether to requantise with a multiplier per kernel in addition to the shift.
    zero: activation that stands for 0: with 0, negative values are clamped (ReLU); above it, they
        are kept, as the activations below ``zero``. All activations are kept then, as 0 is no
        longer the least. Constants contain it; the padding of the next layer holds it.
    source: index of the layer whose activations it reads; ``None`` for the one before.

    Attributes
    ----------
    NAME: prefix of layer names, as in ``conv1``.
    OUTPUT: form of the activations of a hidden layer of this kind.
    FLATTENS: whether the input is flattened to a vector; no layer over pixels may follow.
    ENDS: whether it may be the last layer, whose sums are the logits.
    """

    NAME: ClassVar[str]
    OUTPUT: ClassVar[Output]
    FLATTENS: ClassVar[bool] = False
    ENDS: ClassVar[bool] = False
    READERS: ClassVar[Mapping[str, Any]] = {
        "k": optional_integer,
        "multiplier": boolean,
        "sparsity": lambda value: kind_of(value, SPARSITIES),
    }

    sparsity: Sparsity = field(default_factory=Dense)
    k: int | None = None
    multiplier: bool = False
    zero: int = field(default=0, metadata=LATER)
    source: int | None = field(default=None, metadata=LATER)

    def sources(self, index: int) -> tuple[int, ...]:
        """Indices of the layers that it reads at place ``index`` of a network; -1 is the input."""
        return (index - 1 if self.source is None else self.source,)

    @abstractmethod
    def window(self, in_shape: Shape) -> Window:
        """How the kernels cover an input of this shape."""

    @property
    def pools(self) -> Pooling:
        """Kind of the pooling."""
        return MAX

    @abstractmethod
    def check_sizes(self) -> None:
        """Raise NetworkError if a number is out of range for any possible input."""

    def check_structure(self, name: str, channels: int) -> None:
        """Raise NetworkError if layer ``name`` of this kind, of so many kernels, cannot have its
        weight structure.
        """

    def weight_shape(self, in_shape: Shape) -> tuple[int, ...]:
        """Shape of the weight array."""
        window = self.window(in_shape)
        return window.channels, in_shape[0], *window.kernel
