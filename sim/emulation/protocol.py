"""XRT's hardware emulation calls, as sent over a stream socket.

A call is a 14-byte header and a payload, its reply a 9-byte header and a payload; headers and
payloads are protocol buffers. Here a payload is a mapping from field number to value: an integer,
or bytes.

Uses only the standard library, because it is shipped inside the bitstream.
"""

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

CALL = struct.Struct("<BQBI")
REPLY = struct.Struct("<BQ")
FIXED64_1, FIXED32_2 = 0x09, 0x15
"""Tags of the two header fields: field 1 with 8 bytes, field 2 with 4 bytes."""

PAYLOAD_MAX = 1 << 28
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
VARINT_BYTES_MAX = 10

Fields = Mapping[int, int | bytes | memoryview]


class Api(IntEnum):
    """Calls that the device process answers. Addresses are in the card's address space."""

    CLOSE = 1
    ALLOCATE = 4
    FREE = 5
    WRITE_BUFFER = 6
    READ_BUFFER = 7
    WRITE_MEMORY = 8
    WRITE_REGISTERS = 9
    READ_MEMORY = 10
    READ_REGISTERS = 11
    TIMESTAMP = 17
    MESSAGES = 19
    ENVIRONMENT = 20


class ProtocolError(Exception):
    """Bytes that are not a valid call, described in one line."""


@dataclass(frozen=True)
class Message:
    """A call: number (an `Api` if it is known) and payload."""

    api: int
    fields: Fields


def receive(connection: socket.socket) -> Message | None:
    """Next call, None if the host has disconnected. Raises ProtocolError."""
    head = receive_exactly(connection, CALL.size)
    if head is None:
        return None
    first, size, second, api = CALL.unpack(head)
    if (first, second) != (FIXED64_1, FIXED32_2):
        raise ProtocolError(f"call begins with {head.hex()}, which is no header")
    if size > PAYLOAD_MAX:
        raise ProtocolError(f"call {api} has {size} bytes, at most {PAYLOAD_MAX}")
    payload = receive_exactly(connection, size)
    return None if payload is None else Message(api, decode(memoryview(payload)))


def receive_exactly(connection: socket.socket, size: int) -> bytearray | None:
    """Exactly ``size`` bytes, None if the peer disconnects before."""
    content = bytearray(size)
    view = memoryview(content)
    while view:
        try:
            count = connection.recv_into(view)
        except ConnectionError:
            return None
        if not count:
            return None
        view = view[count:]
    return content


def reply(fields: Fields) -> bytes:
    """Encode a reply with its header."""
    payload = encode(fields)
    return REPLY.pack(FIXED64_1, len(payload)) + payload


def call(api: int, fields: Fields) -> bytes:
    """Encode a call with its header."""
    payload = encode(fields)
    return CALL.pack(FIXED64_1, len(payload), FIXED32_2, api) + payload


def encode(fields: Fields) -> bytes:
    """Encode a payload: integers from 0 to 2^64 - 1 as varints, bytes with their length."""
    parts = []
    for number, value in fields.items():
        if isinstance(value, int):
            parts += [_varint(number << 3 | VARINT), _varint(value)]
        else:
            parts += [_varint(number << 3 | BYTES), _varint(len(value)), bytes(value)]
    return b"".join(parts)


def decode(payload: memoryview) -> dict[int, int | bytes | memoryview]:
    """Fields of a payload; for a repeated field, the last. Raises ProtocolError."""
    fields: dict[int, int | bytes | memoryview] = {}
    at = 0
    while at < len(payload):
        tag, at = _read_varint(payload, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            fields[number], at = _read_varint(payload, at)
            continue
        size = FIXED_SIZES.get(kind)
        if kind == BYTES:
            size, at = _read_varint(payload, at)
        if size is None or size > len(payload) - at:
            raise ProtocolError(f"field {number} of type {kind} does not end in its call")
        content = payload[at : at + size]
        fields[number] = content if kind == BYTES else int.from_bytes(content, "little")
        at += size
    return fields


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(payload: memoryview, at: int) -> tuple[int, int]:
    """The value, and the position after it."""
    value = 0
    for index, byte in enumerate(payload[at : at + VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & (1 << 64) - 1, at + index + 1
    raise ProtocolError("a number does not end in its call")
