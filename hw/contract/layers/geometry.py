"""Sizes of windows: sides, strides and padding, and how many positions a window has."""

from typing import Any

from twofold.hw.contract.layers.description import integer, integers

Size = int | tuple[int, int]
"""Side of a square, or height and width; of a stride, rows and columns."""

Padding = int | tuple[int, int] | tuple[int, int, int, int]
"""The same at all edges; at top and bottom, and left and right; or top, left, bottom, right."""


def sides(size: Size) -> tuple[int, int]:
    """Height and width."""
    return size if isinstance(size, tuple) else (size, size)


def plain(size: Size) -> Size:
    """A single side if the window is square, height and width otherwise."""
    height, width = sides(size)
    return height if height == width else (height, width)


def edges(padding: Padding) -> tuple[int, int, int, int]:
    """Padding at top, left, bottom and right, the order of ONNX."""
    if not isinstance(padding, tuple):
        return padding, padding, padding, padding
    if len(padding) == 2:
        top, left = padding
        return top, left, top, left
    return padding


def plain_edges(padding: Padding) -> Padding:
    """The shortest form that means the same."""
    top, left, bottom, right = edges(padding)
    if (top, left) != (bottom, right):
        return top, left, bottom, right
    return top if top == left else (top, left)


def positions(
    area: tuple[int, int], kernel: tuple[int, int], stride: Size, padding: Padding
) -> tuple[int, int]:
    """Rows and columns of the positions of a window over an input of this height and width; below 1
    where it does not fit.
    """
    (down, across), (top, left, bottom, right) = sides(stride), edges(padding)
    rows = (area[0] + top + bottom - kernel[0]) // down + 1
    cols = (area[1] + left + right - kernel[1]) // across + 1
    return rows, cols


def same_padding(
    area: tuple[int, int], kernel: tuple[int, int], stride: Size, *, lower: bool = False
) -> Padding:
    """Padding with which a window has ``ceil(size / stride)`` positions. An odd pixel goes to the
    bottom and right, or with ``lower`` to the top and left: ``SAME_UPPER`` and ``SAME_LOWER`` of
    ONNX.
    """
    missing = [
        max(0, (-(-size // step) - 1) * step + side - size)
        for size, side, step in zip(area, kernel, sides(stride), strict=True)
    ]
    small = missing[0] // 2, missing[1] // 2
    large = missing[0] - small[0], missing[1] - small[1]
    return plain_edges((*large, *small) if lower else (*small, *large))


def read_size(value: Any) -> Size:
    """A size in JSON: a side, or a list of height and width. Raises TypeError or ValueError."""
    if isinstance(value, int):
        return integer(value)
    height, width = integers(value)
    return height, width


def read_padding(value: Any) -> Padding:
    """Padding in JSON: a number, or a list of two or four. Raises TypeError or ValueError."""
    if isinstance(value, int):
        return integer(value)
    if len(value) == 2:
        return read_size(value)
    top, left, bottom, right = integers(value)
    return top, left, bottom, right
