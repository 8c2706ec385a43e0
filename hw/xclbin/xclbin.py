"""An ``.xclbin``: bitstream, memory, compute units and clocks, as XRT expects them, and the
identity of the machine inside.

The identity is stored in section KEYVALUE_METADATA, which ``xclbinutil --key-value
USER:<key>:<value>`` also writes, so that a host can check a bitstream before loading it, whichever
tool made it. Emulation files, which Twofold writes itself, also carry a digest of the whole file.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twofold.hw.contract.parameters import FINGERPRINT_BYTES
from twofold.hw.contract.regs import KERNEL_NAME
from twofold.hw.xclbin import axlf, topology
from twofold.hw.xclbin.axlf import Kind, Mode, require
from twofold.hw.xclbin.topology import Clock, ClockType, Connection, Memory, Protocol, Unit

LARGEST = 1 << 30
"""Larger than any bitstream of a card, in bytes."""
PREFIX = f"{KERNEL_NAME}_"
KEYS = ("fingerprint", "network", "folding", "kernel_version")
DIGEST = "digest"
EMPTY_DIGEST = "0" * 64


@dataclass(frozen=True)
class BitstreamIdentity:
    """Which machine a bitstream holds.

    Attributes
    ----------
    fingerprint: fingerprint of network and folding, 32 bytes; see
        `twofold.hw.contract.fingerprint`.
    network, folding: names, for display.
    kernel_version: version of the register table, see `twofold.hw.contract.regs`.
    """

    fingerprint: bytes
    network: str
    folding: str
    kernel_version: int


@dataclass(frozen=True, kw_only=True)
class Xclbin:
    """An ``.xclbin``.

    Attributes
    ----------
    mode: what the bitstream is for.
    platform: name of the shell that it runs on.
    memories, units, connections, clocks: what the runtime needs to know about the card.
    metadata: XML about the kernel and its units.
    bitstream: for emulation, a zip archive of the simulation.
    identity: the machine inside; None if the file does not state it.
    build: content of BUILD_METADATA, as JSON values.
    uuid: files with the same one are considered the same; `encode` derives one from the content.
    """

    mode: Mode
    platform: str
    memories: Sequence[Memory]
    units: Sequence[Unit]
    connections: Sequence[Connection]
    clocks: Sequence[Clock]
    metadata: str
    bitstream: bytes
    identity: BitstreamIdentity | None = None
    build: Mapping[str, Any] | None = None
    uuid: bytes = bytes(16)


def encode(xclbin: Xclbin) -> bytes:
    """Serialise an ``.xclbin`` with a digest. Raises ParameterError if something does not fit."""
    topology.check(xclbin.memories, xclbin.units, xclbin.connections)
    sections: dict[int, bytes] = {
        Kind.KEYVALUE_METADATA: _pack_keys(xclbin.identity),
        Kind.EMBEDDED_METADATA: xclbin.metadata.encode(),
        Kind.MEM_TOPOLOGY: topology.pack_memories(xclbin.memories),
        Kind.IP_LAYOUT: topology.pack_units(xclbin.units),
        Kind.CONNECTIVITY: topology.pack_connections(xclbin.connections),
        Kind.CLOCK_FREQ_TOPOLOGY: topology.pack_clocks(xclbin.clocks),
        Kind.BUILD_METADATA: json.dumps({"build_metadata": xclbin.build or {}}).encode(),
        Kind.BITSTREAM: xclbin.bitstream,
    }
    uuid = hashlib.sha256(b"".join(sections.values()) + xclbin.platform.encode()).digest()[:16]
    content = axlf.encode(
        axlf.Container(mode=xclbin.mode, platform=xclbin.platform, uuid=uuid, sections=sections)
    )
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(EMPTY_DIGEST.encode(), digest.encode(), 1)


def decode(content: bytes) -> Xclbin:
    """Parse an ``.xclbin``; untrusted input. Raises ParameterError, naming the broken rule."""
    container = axlf.decode(content)
    modes = list(Mode)
    require(container.mode in modes, f"has mode {container.mode}, known are 0..{len(modes) - 1}")
    keys = _unpack_keys(container.sections.get(Kind.KEYVALUE_METADATA))
    _check_digest(content, container, keys.get(DIGEST))
    xclbin = Xclbin(
        mode=Mode(container.mode),
        platform=container.platform,
        memories=tuple(topology.unpack_memories(container.section(Kind.MEM_TOPOLOGY))),
        units=tuple(topology.unpack_units(container.section(Kind.IP_LAYOUT))),
        connections=tuple(topology.unpack_connections(container.section(Kind.CONNECTIVITY))),
        clocks=tuple(topology.unpack_clocks(container.section(Kind.CLOCK_FREQ_TOPOLOGY))),
        metadata=_text(container.section(Kind.EMBEDDED_METADATA), "EMBEDDED_METADATA"),
        bitstream=container.section(Kind.BITSTREAM),
        identity=_identity(keys),
        build=_unpack_build(container.sections.get(Kind.BUILD_METADATA)),
        uuid=container.uuid,
    )
    topology.check(xclbin.memories, xclbin.units, xclbin.connections)
    return xclbin


def user_keys(identity: BitstreamIdentity) -> dict[str, str]:
    """Keys that identify a machine, for ``xclbinutil --key-value USER:<key>:<value>``."""
    values = (
        identity.fingerprint.hex(),
        identity.network,
        identity.folding,
        str(identity.kernel_version),
    )
    return {PREFIX + key: value for key, value in zip(KEYS, values, strict=True)}


def _pack_keys(identity: BitstreamIdentity | None) -> bytes:
    """Keys with the digest first: its placeholder is then the first run of 64 zeros in the file."""
    pairs = {PREFIX + DIGEST: EMPTY_DIGEST, **(user_keys(identity) if identity else {})}
    rows = [{"key": key, "value": value} for key, value in pairs.items()]
    return json.dumps({"key_values": rows}).encode()


def _unpack_keys(content: bytes | None) -> dict[str, str]:
    """Twofold's own keys, without their prefix."""
    if content is None:
        return {}
    tree = _json(content, Kind.KEYVALUE_METADATA)
    rows = tree.get("key_values")
    require(isinstance(rows, list), "has a section KEYVALUE_METADATA without key_values")
    pairs: dict[str, str] = {}
    for row in rows or ():
        key, value = (row.get("key"), row.get("value")) if isinstance(row, dict) else (None, None)
        require(
            isinstance(key, str) and isinstance(value, str),
            "has a section KEYVALUE_METADATA with something else than keys and values",
        )
        if str(key).startswith(PREFIX):
            pairs[str(key).removeprefix(PREFIX)] = str(value)
    return pairs


def _identity(keys: Mapping[str, str]) -> BitstreamIdentity | None:
    missing = [key for key in KEYS if key not in keys]
    if len(missing) == len(KEYS):
        return None
    require(not missing, f"lacks {', '.join(missing)} of the machine inside")
    mark, number = keys["fingerprint"], keys["kernel_version"]
    try:
        fingerprint = bytes.fromhex(mark)
    except ValueError:
        fingerprint = b""
    require(len(fingerprint) == FINGERPRINT_BYTES, f"has a fingerprint {mark!r}, needs 64 digits")
    require(number.isdecimal() and len(number) < 10, f"has a kernel version {number!r}")
    return BitstreamIdentity(fingerprint, keys["network"], keys["folding"], int(number))


def _check_digest(content: bytes, container: axlf.Container, digest: str | None) -> None:
    if digest is None:
        emulated = container.mode == Mode.HW_EMU
        require(not emulated, "is for emulation and has no digest; build it again")
        return
    at = content.find(digest.encode())
    blank = content[:at] + EMPTY_DIGEST.encode() + content[at + len(EMPTY_DIGEST) :]
    require(
        at >= 0 and hashlib.sha256(blank).hexdigest() == digest,
        "is damaged: its digest is not the one that it carries; copy or build it again",
    )


def _unpack_build(content: bytes | None) -> dict[str, Any] | None:
    if content is None:
        return None
    build = _json(content, Kind.BUILD_METADATA).get("build_metadata")
    require(isinstance(build, dict), "has a section BUILD_METADATA without build_metadata")
    return build


def _json(content: bytes, kind: Kind) -> dict[str, Any]:
    try:
        tree = json.loads(content.rstrip(b"\0"))
    except (ValueError, RecursionError):
        tree = None
    require(isinstance(tree, dict), f"has a section {kind.name} that is not a JSON object")
    return tree or {}


def _text(content: bytes, name: str) -> str:
    try:
        return content.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        require(False, f"has a section {name} that is not UTF-8")
        raise


__all__ = [
    "BitstreamIdentity", "Clock", "ClockType", "Connection", "Memory", "Mode", "Protocol", "Unit",
    "Xclbin", "decode", "encode", "user_keys",
]  # fmt: skip
