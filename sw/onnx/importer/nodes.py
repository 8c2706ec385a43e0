"""Nodes and constants of an untrusted model as Python values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.checked import label, shown

PASSING = ("Identity", "Dropout")
"""Operators that do nothing at inference."""


def value_of(node: onnx.NodeProto) -> np.ndarray | None:
    """Value of a Constant node; None for text."""
    for key, value in attributes(node).items():
        match key:
            case "value":
                return array_of(value)
            case "value_int" | "value_ints":
                return np.asarray(value, dtype=np.int64)
            case "value_float" | "value_floats":
                return np.asarray(value, dtype=np.float32)
    return None


def array_of(tensor: onnx.TensorProto) -> np.ndarray:
    """Value of a constant. Raises OnnxError if it is damaged, empty or holds NaN."""
    try:
        values = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise OnnxError(f"constant {shown(tensor.name)} is damaged: {error}") from error
    if not values.size:
        raise OnnxError(f"constant {shown(tensor.name)} is empty: shape {list(values.shape)}")
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise OnnxError(f"constant {shown(tensor.name)} holds NaN; export the model again")
    return values


def refuse(node: onnx.NodeProto, why: str) -> OnnxError:
    """Error about a node."""
    return OnnxError(f"{label(node)}: {why}")


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Attributes of a node as Python values. Raises OnnxError for a damaged one."""
    try:
        return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    except (ValueError, TypeError) as error:
        raise refuse(node, f"damaged attribute: {error}") from error


def same(node: onnx.NodeProto, key: str, values: Sequence[int], default: int) -> int:
    """The common value of an attribute's ``values``; ``default`` if empty. Raises OnnxError if they
    differ.
    """
    found = set(values)
    if len(found) > 1:
        raise refuse(node, f"{key} is {list(values)}, needs one value in all directions")
    return int(found.pop()) if found else default


def printable(text: str) -> str:
    """Text from the file for messages: short, without what a terminal would act on."""
    return "".join(letter for letter in text[:40] if letter.isprintable())
