"""Where the elements of an activation tensor are: sizes and order of its axes, or flat."""

from dataclasses import dataclass, field

import numpy as np
import onnx

from twofold.sw.onnx.importer.graph import Graph, attributes, refuse

Shape = tuple[int, int, int]
AXES = {1: (2,), 2: (0, 2), 3: (0, 1, 2)}
"""Which of channel, row and column each axis of a tensor is, by the number of its axes."""


@dataclass
class Layout:
    """A tensor of `shape` (channels, rows, columns) as the graph holds it, without the samples.

    Attributes
    ----------
    shape: channels, rows, columns; for a flat tensor, of what was flattened.
    axes: which of the three each of the tensor's axes is; missing ones have size 1. Empty if flat.
    columns: for each element of a flat tensor, its index in the order channel, row, column; None if
        they are the same.
    arranged: what the graph has done to its input so far, in front of the first layer: transposed
        (a permutation, which starts with 0) and reshaped (sizes without the samples).
    """

    shape: Shape
    axes: tuple[int, ...]
    columns: np.ndarray | None = None
    arranged: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    @classmethod
    def of(cls, dims: tuple[int, ...]) -> "Layout":
        """Of a tensor with these sizes, whose channels come first."""
        axes = AXES[len(dims)]
        sizes = dict(zip(axes, dims, strict=True))
        shape = (sizes.get(0, 1), sizes.get(1, 1), sizes.get(2, 1))
        return cls(shape, () if len(dims) == 1 else axes)

    @property
    def flat(self) -> bool:
        """Whether it is a vector."""
        return not self.axes

    @property
    def dims(self) -> tuple[int, ...]:
        """Sizes of the tensor's axes."""
        if self.flat:
            return (self.shape[0] * self.shape[1] * self.shape[2],)
        return tuple(self.shape[axis] for axis in self.axes)

    @property
    def channels_last(self) -> bool:
        """Whether a value for each channel stands beside the last axis."""
        return self.flat or (self.axes[-1] == 0 and len(self.axes) > 1)

    @property
    def in_order(self) -> bool:
        """Whether its elements come in the order channel, row, column."""
        found = [axis for axis in self.axes if self.shape[axis] > 1]
        return found == sorted(found)

    @property
    def order(self) -> np.ndarray | None:
        """For each element, its index in the order channel, row, column; None if they come so."""
        if self.flat or self.in_order:
            return self.columns
        every = np.arange(int(np.prod(self.shape))).reshape(self.shape)
        missing = tuple(axis for axis in range(3) if axis not in self.axes)
        return every.transpose((*self.axes, *missing)).reshape(-1)

    def transpose(self, node: onnx.NodeProto, *, first: bool) -> None:
        """Apply a Transpose; in front of the ``first`` layer, rearrange the input."""
        rank = len(self.dims) + 1
        order = tuple(attributes(node).get("perm", range(rank)[::-1]))
        if sorted(order) != list(range(rank)) or order[0] != 0:
            raise refuse(node, f"permutation {list(order)} moves the samples")
        if first:
            dims = tuple(self.dims[axis - 1] for axis in order[1:])
            self._restart(dims)
            self.arranged.append(("transpose", order))
        elif not self.flat:
            self.axes = tuple(self.axes[axis - 1] for axis in order[1:])

    def reshape(self, node: onnx.NodeProto, dims: tuple[int, ...], *, first: bool) -> None:
        """Apply a Reshape, Flatten, Squeeze or Unsqueeze to these sizes. Raises OnnxError unless it
        flattens, or adds or drops axes of size 1, or comes in front of the ``first`` layer.
        """
        if dims == self.dims:
            return
        if first and len(dims) in AXES:
            self._restart(dims)
            self.arranged.append(("reshape", dims))
        elif len(dims) == 1:
            self._flatten()
        elif self.flat or _long(dims) != _long(self.dims) or len(dims) not in (2, 3):
            raise refuse(
                node, f"makes {list(self.dims)} into {list(dims)}: needs [samples, "
                f"{int(np.prod(self.dims))}], or the same sizes"
            )  # fmt: skip
        else:
            self.axes = self._axes_of(dims)

    def _restart(self, dims: tuple[int, ...]) -> None:
        fresh = Layout.of(dims)
        self.shape, self.axes, self.columns = fresh.shape, fresh.axes, None

    def _flatten(self) -> None:
        self.columns, self.axes = self.order, ()

    def _axes_of(self, dims: tuple[int, ...]) -> tuple[int, ...]:
        """Axes of the same elements with these sizes, which differ in axes of size 1."""
        long = [axis for axis in self.axes if self.shape[axis] > 1]
        short = [axis for axis in range(3) if axis not in long]
        return tuple(long.pop(0) if size > 1 else short.pop(0) for size in dims)


def _long(dims: tuple[int, ...]) -> list[int]:
    return [size for size in dims if size > 1]


def target_dims(graph: Graph, node: onnx.NodeProto, dims: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes, without the samples, that a reshaping node gives to a tensor of ``dims``.

    Raises OnnxError if they are not constant, or if the node mixes samples.
    """
    return _TARGETS[node.op_type](graph, node, dims)


def _reshaped(graph: Graph, node: onnx.NodeProto, dims: tuple[int, ...]) -> tuple[int, ...]:
    target = graph.constant(node.input[1]) if len(node.input) > 1 else None
    if target is None:
        raise refuse(node, "its target shape is not constant; export with sizes fixed behind the "
                     "samples")  # fmt: skip
    sizes = [int(value) for value in target.reshape(-1)[:8]]
    total = int(np.prod(dims))
    plain = len(sizes) > 1 and sizes[0] in (-1, 0, 1) and sizes.count(-1) < 2
    sizes[1:] = [
        dims[at] if size == 0 and at < len(dims) else size for at, size in enumerate(sizes[1:])
    ]
    known = int(np.prod([size for size in sizes[1:] if size > 0]))
    if plain and known and total % known == 0:
        sizes[1:] = [total // known if size == -1 else size for size in sizes[1:]]
    if not plain or min(sizes[1:]) < 1 or int(np.prod(sizes[1:])) != total:
        raise refuse(node, f"shape {sizes}, needs [samples, {total}], or other sizes of as many "
                     "elements a sample")  # fmt: skip
    return tuple(sizes[1:])


def _flattened(graph: Graph, node: onnx.NodeProto, dims: tuple[int, ...]) -> tuple[int, ...]:
    del graph
    axis = attributes(node).get("axis", 1)
    if axis != 1:
        raise refuse(node, f"axis is {axis}, needs 1")
    return (int(np.prod(dims)),)


def axes_of(graph: Graph, node: onnx.NodeProto) -> list[int]:
    """Axes that a Squeeze or Unsqueeze names."""
    found = graph.constant(node.input[1]) if len(node.input) > 1 else None
    axes = attributes(node).get("axes", []) if found is None else found.reshape(-1).tolist()
    return [int(axis) for axis in axes]


def _squeezed(graph: Graph, node: onnx.NodeProto, dims: tuple[int, ...]) -> tuple[int, ...]:
    rank = len(dims) + 1
    axes = {axis % rank for axis in axes_of(graph, node)}
    if not axes or 0 in axes or any(dims[axis - 1] != 1 for axis in axes):
        raise refuse(node, f"squeezes axes {sorted(axes)} of {list(dims)}, needs some of size 1")
    return tuple(size for axis, size in enumerate(dims, 1) if axis not in axes) or (1,)


def _unsqueezed(graph: Graph, node: onnx.NodeProto, dims: tuple[int, ...]) -> tuple[int, ...]:
    axes = axes_of(graph, node)
    rank = len(dims) + 1 + len(axes)
    places = {axis % rank for axis in axes}
    if not axes or 0 in places or len(places) < len(axes) or rank > 4:
        raise refuse(node, f"adds axes {axes} to {list(dims)}, needs three at most")
    sizes = iter(dims)
    return tuple(1 if axis in places else next(sizes) for axis in range(1, rank))


_TARGETS = {
    "Flatten": _flattened, "Reshape": _reshaped, "Squeeze": _squeezed, "Unsqueeze": _unsqueezed,
}  # fmt: skip
RESHAPING = tuple(_TARGETS)
"""Operators that only change sizes."""
