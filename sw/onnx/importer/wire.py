"""Bounds on a protobuf message before it is decoded.

Decoding can turn two bytes of a file into an object of some hundred bytes, and a packed number of
one byte into eight. So the bytes are scanned first, without building anything, and a file that
would need far more memory than its size is refused.
"""

from collections.abc import Iterator
from typing import Any

import onnx

from twofold.sw.errors import OnnxError

FIELDS_MAX = 1 << 18
"""Maximum fields of a model: some thousand nodes have some ten thousand."""
NUMBERS_MAX = 1 << 26
"""Maximum bytes of packed numbers, each of which can take up to eight once decoded."""
DEPTH_MAX = 24

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FIXED = {FIXED64: 8, FIXED32: 4}


def require_bounded(content: bytes) -> None:
    """Raise OnnxError unless ``content`` is a message that is small enough to decode."""
    walk = _Walk()
    walk.message(memoryview(content), onnx.ModelProto.DESCRIPTOR, 0)


class _Walk:
    def __init__(self) -> None:
        self.fields = self.numbers = 0

    def message(self, content: memoryview, kind: Any, depth: int) -> None:
        """Count the fields and numbers in ``content``, a message of this kind."""
        if depth > DEPTH_MAX:
            raise OnnxError(f"model is nested more than {DEPTH_MAX} deep; graphs inside nodes "
                            "(If, Loop, Scan) are not supported, export without them")  # fmt: skip
        known = kind.fields_by_number
        for number, inside in _fields(content):
            self.fields += 1
            if self.fields > FIELDS_MAX:
                raise OnnxError(f"model has more than {FIELDS_MAX} fields; simplify it first")
            field = known.get(number)
            if inside is None or field is None:
                continue
            if field.message_type is not None:
                self.message(inside, field.message_type, depth + 1)
            elif field.type == field.TYPE_STRING:
                _require_text(inside)
            elif field.type != field.TYPE_BYTES:
                self.numbers += len(inside)
                if self.numbers > NUMBERS_MAX:
                    raise OnnxError(
                        f"model has more than {NUMBERS_MAX} bytes of loose numbers; store "
                        "constants as raw data (onnx.numpy_helper.from_array)"
                    )


def _require_text(content: memoryview) -> None:
    try:
        str(content, "utf-8")
    except UnicodeDecodeError as error:
        raise OnnxError("not an ONNX model: a name in it is no text (UTF-8)") from error


def _fields(content: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """Number of each field, and its content if it is length-delimited, else None."""
    at, end = 0, len(content)
    while at < end:
        key, at = _varint(content, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            _, at = _varint(content, at)
            yield number, None
        elif wire in FIXED:
            at += FIXED[wire]
            yield number, None
        elif wire == BYTES:
            size, at = _varint(content, at)
            yield number, content[at : at + size]
            at += size
        else:
            raise OnnxError("not an ONNX model: damaged, or another kind of file")
        if at > end:
            raise OnnxError("not an ONNX model, or one that is cut short")


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(content[at : at + 10]):
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, at + index + 1
    raise OnnxError("not an ONNX model, or one that is cut short")
