"""Structures of the non-zero weights of a layer; one class each."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from twofold.hw.contract.layers.description import Description, integers, optional_integer, require

SLOTS_MAX = 1 << 8
"""Maximum number of kernels in a set: the packed format numbers them in a byte."""


@dataclass(frozen=True, repr=False)
class Sparsity(Description):
    """Where a layer's weights may be non-zero.

    Every method takes ``channels``, the number of kernels of the layer, and ``inputs``, the number
    of input positions of a kernel.

    Attributes
    ----------
    IN_ROWS: whether the kernels of a set share the input positions between them, so that the
        weights of a position form a row with one weight per set; the scatter engine requires it.
    """

    IN_ROWS: ClassVar[bool] = True

    def sets_of(self, channels: int) -> int:
        """Number of sets; in a set at most one kernel has a weight at any input position."""
        return channels

    def groups_of(self) -> int:
        """Number of equal groups that kernels and input channels are split into; a kernel sees the
        channels of its own group.
        """
        return 1

    @abstractmethod
    def fan_in_of(self, channels: int, inputs: int) -> int:
        """Maximum number of non-zero weights of a kernel."""

    def fan_ins_of(self, channels: int, inputs: int) -> tuple[int, ...]:
        """Maximum number of non-zero weights of each kernel."""
        return (self.fan_in_of(channels, inputs),) * channels

    def weights_of(self, channels: int, inputs: int) -> int:
        """Number of weights in all kernels that may be non-zero."""
        return min(self.sets_of(channels) * inputs, sum(self.fan_ins_of(channels, inputs)))

    def check(self, name: str, channels: int, inputs: int, planes: int) -> None:
        """Raise NetworkError if layer ``name``, over ``planes`` input channels, cannot have this
        structure.
        """

    @abstractmethod
    def text(self, channels: int, inputs: int) -> str:
        """The structure in a few words."""

    @abstractmethod
    def widened(self, channels: int, inputs: int) -> "Sparsity":
        """The structure with room for twice as many weights per kernel, up to all of them."""


@dataclass(frozen=True, repr=False)
class Dense(Sparsity):
    """Every weight may be non-zero."""

    def fan_in_of(self, channels: int, inputs: int) -> int:
        return inputs

    def text(self, channels: int, inputs: int) -> str:
        return "dense"

    def widened(self, channels: int, inputs: int) -> Sparsity:
        return self


@dataclass(frozen=True, repr=False)
class Taps(Sparsity):
    """Each kernel has its own few taps, anywhere in its window.

    ``counts[o]`` is the number of non-zero weights of kernel ``o``. Uneven counts are allowed;
    keeping them descending lets the gather engine pair kernels of equal length.
    """

    IN_ROWS: ClassVar[bool] = False
    READERS: ClassVar[Mapping[str, Any]] = {"counts": integers}

    counts: tuple[int, ...]

    def fan_in_of(self, channels: int, inputs: int) -> int:
        return max(self.counts)

    def fan_ins_of(self, channels: int, inputs: int) -> tuple[int, ...]:
        return self.counts

    def weights_of(self, channels: int, inputs: int) -> int:
        return sum(self.counts)

    def check(self, name: str, channels: int, inputs: int, planes: int) -> None:
        counts = self.counts
        require(
            len(counts) == channels,
            f"{name}: {len(counts)} tap counts for {channels} kernels",
        )
        require(
            all(1 <= count <= inputs for count in counts),
            f"{name}: taps per kernel are {min(counts)}..{max(counts)}, need 1..{inputs}",
        )

    def text(self, channels: int, inputs: int) -> str:
        return f"{min(self.counts)}..{max(self.counts)} of {inputs} taps"

    def widened(self, channels: int, inputs: int) -> Sparsity:
        return Taps(tuple(min(2 * count, inputs) for count in self.counts))


@dataclass(frozen=True, repr=False)
class Complementary(Sparsity):
    """Kernels grouped into ``sets``: within a set, an input position belongs to at most one kernel.

    The weight density is about one over the number of kernels in a set. ``fan_in`` limits the
    non-zero weights of one kernel; ``None`` stands for an equal share of the input positions,
    rounded up.
    """

    READERS: ClassVar[Mapping[str, Any]] = {"fan_in": optional_integer}

    sets: int
    fan_in: int | None = None

    def sets_of(self, channels: int) -> int:
        return self.sets

    def fan_in_of(self, channels: int, inputs: int) -> int:
        return -(-inputs // -(-channels // self.sets)) if self.fan_in is None else self.fan_in

    def check(self, name: str, channels: int, inputs: int, planes: int) -> None:
        require(
            1 <= self.sets <= channels,
            f"{name}: {self.sets} sets, needs 1..{channels} (its kernels)",
        )
        require(
            self.fan_in is None or 1 <= self.fan_in <= inputs,
            f"{name}: fan_in is {self.fan_in}, needs 1..{inputs}",
        )

    def text(self, channels: int, inputs: int) -> str:
        return f"{self.sets} complementary sets of {-(-channels // self.sets)}"

    def widened(self, channels: int, inputs: int) -> Sparsity:
        return Complementary(self.sets, min(2 * self.fan_in_of(channels, inputs), inputs))


@dataclass(frozen=True, repr=False)
class Grouped(Sparsity):
    """A grouped convolution; depthwise, with as many groups as input channels.

    Kernels and input channels are split into ``groups`` in order, and a kernel has weights for the
    channels of its group only. So kernels of different groups never share an input position: the
    first kernels of all groups make a complementary set, the second ones the next, and canonical
    order is the usual one. A set holds at most `SLOTS_MAX` kernels; more groups take several.
    """

    groups: int

    def sets_of(self, channels: int) -> int:
        return channels // self.groups * -(-self.groups // SLOTS_MAX)

    def groups_of(self) -> int:
        return self.groups

    def fan_in_of(self, channels: int, inputs: int) -> int:
        return inputs // self.groups

    def check(self, name: str, channels: int, inputs: int, planes: int) -> None:
        require(
            self.groups >= 1 and channels % self.groups == 0 and planes % self.groups == 0,
            f"{name}: {self.groups} groups do not divide {planes} input channels and {channels} "
            "kernels",
        )

    def text(self, channels: int, inputs: int) -> str:
        return f"{self.groups} groups of {channels // self.groups}"

    def widened(self, channels: int, inputs: int) -> Sparsity:
        """The same sets, without the groups."""
        return Complementary(self.sets_of(channels), min(2 * inputs // self.groups, inputs))


SPARSITIES: dict[str, type[Sparsity]] = {
    kind.__name__: kind for kind in (Dense, Taps, Complementary, Grouped)
}
"""Weight structures by their name in JSON."""
