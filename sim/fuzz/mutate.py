"""Changes to files: of single bytes, and inside what the bytes mean."""

import io
import json
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

NUMBERS = (0, 1, 2, 127, 128, 255, 65_535, 65_536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 62)
VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 7, 1 << 31, 1 << 64, -(1 << 80), 1.5, -0.0, float("nan"),
    float("inf"), 1e308, "", "a", "../../etc", "\udcff", "x" * 5000, [], [[]], [0] * 50, {},
    {"a": 1},
)  # fmt: skip
"""What takes the place of a value in a tree of JSON."""
MEMBERS_MAX = 1 << 22
"""Bytes of an archive's member that is looked into."""


def mutated(content: bytes, draw: Random) -> bytes:
    """``content`` with one to four changes."""
    for _ in range(draw.randrange(1, 5)):
        change = _inside(content) if draw.random() < 0.7 else _bytes
        content = change(content, draw)
    return content


Change = Callable[[bytes, Random], bytes]


def _inside(content: bytes) -> Change:
    """A change that knows the format of ``content``, and keeps it readable at that level."""
    if content.startswith(b"PK\x03\x04"):
        return _archive
    if content.startswith(b"\x93NUMPY"):
        return _header
    if content.lstrip()[:1] in (b"{", b"["):
        return _tree
    return _chunk if content.startswith(b"\x89PNG") else _bytes


def _bytes(content: bytes, draw: Random) -> bytes:
    """Bytes changed, left out, put in or repeated anywhere, most often near the beginning."""
    data = bytearray(content)
    reach = len(data) if draw.random() < 0.5 else min(len(data), 256)
    at = draw.randrange(reach) if reach else 0
    kind = draw.randrange(7)
    if kind == 0 and data:
        data[at] ^= 1 << draw.randrange(8)
    elif kind == 1 and data:
        data[at] = draw.randrange(256)
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        del data[at : at + draw.randrange(1, 64)]
    elif kind == 4:
        data[at:at] = draw.randbytes(draw.randrange(1, 64))
    elif kind == 5:
        size = draw.choice((1, 2, 4, 8))
        number = draw.choice(NUMBERS) % (1 << 8 * size)
        data[at : at + size] = number.to_bytes(size, draw.choice(("little", "big")))
    else:
        data[at:at] = data[at : at + draw.randrange(1, 4096)] * draw.randrange(1, 8)
    return bytes(data)


def _tree(content: bytes, draw: Random) -> bytes:
    """JSON with a value replaced, dropped, renamed, doubled or nested deeply."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return _bytes(content, draw)
    places = list(_places(tree))
    if not places:
        return json.dumps(draw.choice(VALUES)).encode(errors="replace")
    holder, key = draw.choice(places)
    kind = draw.randrange(6)
    if kind <= 2:
        holder[key] = draw.choice(VALUES)
    elif kind == 3:
        del holder[key]
    elif kind == 4 and isinstance(holder, dict):
        holder[draw.choice(("", "name", key + "x", "0"))] = holder.pop(key)
    else:
        text = json.dumps(tree)
        deep = "[" * draw.choice((10, 1000, 100_000))
        at = draw.randrange(len(text))
        return (text[:at] + deep + text[at:]).encode() if draw.random() < 0.3 else text.encode()
    return json.dumps(tree).encode()


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in the tree with each of its keys."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _archive(content: bytes, draw: Random) -> bytes:
    """A zip archive with a member changed, left out, doubled, renamed or compressed otherwise."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [
                (one.filename, archive.read(one)[:MEMBERS_MAX]) for one in archive.infolist()
            ]
    except Exception:  # changed before, so that even Python's reader may fail in any way
        return _bytes(content, draw)
    if not members:
        return _bytes(content, draw)
    at = draw.randrange(len(members))
    name, data = members[at]
    kind = draw.randrange(8)
    if kind <= 4:
        members[at] = (name, mutated(data, draw))
    elif kind == 5:
        del members[at]
    elif kind == 6:
        members[at] = (draw.choice(("", "../x", name.upper(), "header.json", "x\0.npy")), data)
    else:
        members.append((draw.choice(("extra.npy", "header.json")), b"\0" * (1 << 26)))
    packed = io.BytesIO()
    method = draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    with zipfile.ZipFile(packed, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two members of one name
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return packed.getvalue()


def _header(content: bytes, draw: Random) -> bytes:
    """A NumPy array whose header says another shape, type or order."""
    (length,) = struct.unpack_from("<H", content.ljust(10, b"\0"), 8)
    header, rest = content[10 : 10 + length], content[10 + length :]
    swaps = (
        (b"|u1", draw.choice((b"|O8", b"<i8", b"<f4", b"<U9", b"|V3", b"|b1", b">u2", b"<M8[s]"))),
        (b"(", draw.choice((b"(-1, ", b"(99999999999, ", b"(0, ", b"((", b"(1e3, ", b"(True, "))),
        (b"False", b"True"),
        (b"shape", draw.choice((b"shap", b"descr", b"\xff"))),
        (b"}", draw.choice((b", 'a': 1}", b"", b"}" * 3, b"[" * 400))),
    )
    old, new = draw.choice(swaps)
    header = header.replace(old, new, 1)
    return content[:8] + struct.pack("<H", len(header) % 65_536) + header + rest


def _chunk(content: bytes, draw: Random) -> bytes:
    """A PNG whose first chunk, with the size of the picture, is changed, under a right checksum."""
    if len(content) < 33:
        return _bytes(content, draw)
    head = bytearray(content[12:29])
    at = draw.randrange(4, len(head))
    head[at] = draw.choice((0, 1, 2, 3, 8, 16, 255))
    return content[:12] + head + struct.pack(">I", zlib.crc32(head)) + content[33:]
