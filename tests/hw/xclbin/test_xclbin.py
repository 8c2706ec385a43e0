"""Bitstream files: round trips, the layout that XRT reads, and every way to be damaged."""

import dataclasses
import hashlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.hw.contract.errors import ParameterError
from twofold.hw.contract.regs import ARGUMENTS
from twofold.hw.xclbin import axlf
from twofold.hw.xclbin.axlf import Kind
from twofold.hw.xclbin.xclbin import (
    BitstreamIdentity,
    Clock,
    ClockType,
    Connection,
    Memory,
    Mode,
    Protocol,
    Unit,
    Xclbin,
    decode,
    encode,
    user_keys,
)

IDENTITY = BitstreamIdentity(bytes(range(32)), "tiny-fast", "small", 1)
SAMPLE = Xclbin(
    mode=Mode.HW_EMU,
    platform="some_platform",
    memories=tuple(Memory(f"DDR[{at}]", at << 36, 16 << 30, at < 2) for at in range(4)),
    units=tuple(Unit("twofold", f"twofold_{at + 1}", 0x1800000 + 0x10000 * at) for at in range(2)),
    connections=(Connection(1, 0, 0), Connection(1, 1, 1)),
    clocks=(Clock("DATA_CLK", 300, ClockType.DATA), Clock("KERNEL_CLK", 500, ClockType.KERNEL)),
    metadata="<project/>",
    bitstream=b"not really a zip",
    identity=IDENTITY,
    build={"xclbin": {"generated_by": {"version": "1"}}},
)
CONTENT = encode(SAMPLE)


def container_of(content: bytes) -> axlf.Container:
    return axlf.decode(content)


def with_section(kind: int, section: bytes | None) -> bytes:
    """The sample as a bitstream for a card, without digest, with one section changed."""
    container = container_of(CONTENT)
    keys = [{"key": key, "value": value} for key, value in user_keys(IDENTITY).items()]
    sections = {
        **container.sections,
        Kind.KEYVALUE_METADATA: json.dumps({"key_values": keys}).encode(),
    }
    sections.pop(kind, None)
    if section is not None:
        sections[kind] = section
    return axlf.encode(dataclasses.replace(container, mode=Mode.FLAT, sections=sections))


NAMES = st.text("abcdefgh_0123", min_size=1, max_size=15)
UNITS = st.builds(
    Unit,
    kernel=NAMES,
    name=NAMES,
    base=st.integers(0, (1 << 20) - 1).map(lambda page: page << 12),
    protocol=st.sampled_from(Protocol),
    interrupts=st.booleans(),
)


@given(
    units=st.lists(UNITS, max_size=5),
    clocks=st.lists(
        st.builds(Clock, NAMES, st.integers(0, 65535), st.sampled_from(ClockType)), max_size=4
    ),
    bitstream=st.binary(max_size=100),
    mark=st.binary(min_size=32, max_size=32) | st.just(bytes(32)),
    platform=NAMES,
)
def test_round_trip(units, clocks, bitstream, mark, platform):
    written = dataclasses.replace(
        SAMPLE,
        units=tuple(units),
        clocks=tuple(clocks),
        connections=tuple(Connection(0, at, 3) for at in range(len(units))),
        bitstream=bitstream,
        platform=platform,
        identity=BitstreamIdentity(mark, "n", "f", 7),
    )
    found = decode(encode(written))
    assert dataclasses.replace(found, uuid=bytes(16)) == written
    assert found.uuid != bytes(16)


def test_equal_content_has_equal_bytes_and_other_content_another_uuid():
    assert encode(SAMPLE) == CONTENT
    other = encode(dataclasses.replace(SAMPLE, bitstream=b"another"))
    assert decode(other).uuid != decode(CONTENT).uuid


def test_layout_is_that_of_the_runtime():
    assert CONTENT[:8] == b"xclbin2\0"
    (length,) = struct.unpack_from("<Q", CONTENT, 304)
    (mode,) = struct.unpack_from("<H", CONTENT, 304 + 28)
    (count,) = struct.unpack_from("<I", CONTENT, 304 + 144)
    assert (length, mode, count) == (len(CONTENT), 4, 8)
    assert CONTENT[304 + 48 :][: len(SAMPLE.platform)] == SAMPLE.platform.encode()
    sections = container_of(CONTENT).sections
    memory = sections[Kind.MEM_TOPOLOGY]
    assert struct.unpack_from("<i", memory) == (4,)
    assert struct.unpack_from("<BB6xQQ", memory, 8 + 40) == (1, 1, 16 << 20, 1 << 36)
    assert memory[8 + 40 + 24 :][:7] == b"DDR[1]\0"
    units = sections[Kind.IP_LAYOUT]
    assert struct.unpack_from("<IIQ", units, 8) == (1, 0x101, 0x1800000)
    assert units[8 + 16 :][:18] == b"twofold:twofold_1\0"
    assert struct.unpack("<7i", sections[Kind.CONNECTIVITY]) == (2, 1, 0, 0, 1, 1, 1)
    clocks = sections[Kind.CLOCK_FREQ_TOPOLOGY]
    assert struct.unpack_from("<hHB", clocks) == (2, 300, ClockType.DATA)
    assert len(clocks) == 2 + 2 * 136
    for at in range(count):
        _, _, offset, _ = axlf.ENTRY.unpack_from(CONTENT, 456 + 40 * at)
        assert offset % 8 == 0


@given(st.integers(0, len(CONTENT) - 1), st.integers(0, 7))
def test_any_flipped_bit_is_noticed(at, bit):
    damaged = bytearray(CONTENT)
    damaged[at] ^= 1 << bit
    with pytest.raises(ParameterError, match=r"^xclbin "):
        decode(bytes(damaged))


@given(st.integers(0, len(CONTENT) - 1))
def test_any_truncation_is_noticed(length):
    with pytest.raises(ParameterError, match=r"^xclbin "):
        decode(CONTENT[:length])


@given(st.binary(max_size=600), st.integers(0, 500))
def test_noise_is_refused_in_one_line(noise, at):
    with pytest.raises(ParameterError) as error:
        decode(CONTENT[:at] + noise)
    assert "\n" not in str(error.value)


@given(st.sampled_from([kind for kind in Kind if kind != Kind.BITSTREAM]), st.binary(max_size=200))
def test_sections_of_noise_are_refused_or_make_sense(kind, noise):
    try:
        found = decode(with_section(kind, noise))
    except ParameterError:
        return
    for one in found.connections:
        assert one.unit < len(found.units)
        assert one.memory < len(found.memories)


def test_what_others_wrote_has_no_digest_and_may_have_no_identity():
    assert decode(with_section(21, b"unknown section")).identity == IDENTITY
    assert decode(with_section(Kind.KEYVALUE_METADATA, None)).identity is None


@pytest.mark.parametrize(
    "section, content, message",
    [
        (Kind.MEM_TOPOLOGY, None, "has no section MEM_TOPOLOGY"),
        (Kind.MEM_TOPOLOGY, struct.pack("<q", -1), "has -1 entries"),
        (Kind.MEM_TOPOLOGY, struct.pack("<q", 1), "has 1 entries"),
        (Kind.CLOCK_FREQ_TOPOLOGY, b"", "has an empty section CLOCK_FREQ_TOPOLOGY"),
        (Kind.CLOCK_FREQ_TOPOLOGY, struct.pack("<hHB133x", 1, 1, 9), "unknown type 9"),
        (Kind.IP_LAYOUT, struct.pack("<iiIIQ64s", 1, 0, 1, 0x901, 0, b"a:b"), "protocol is 9"),
        (Kind.CONNECTIVITY, struct.pack("<4i", 1, 1, 2, 0), "connects unit 2 of 2 to memory 0"),
        (
            Kind.CONNECTIVITY,
            struct.pack("<4i", 1, len(ARGUMENTS), 0, 0),
            f"argument {len(ARGUMENTS)} of unit 0, which has {len(ARGUMENTS)}",
        ),
        (Kind.KEYVALUE_METADATA, b"[]", "KEYVALUE_METADATA that is not a JSON object"),
        (Kind.KEYVALUE_METADATA, b'{"key_values": 1}', "without key_values"),
        (Kind.KEYVALUE_METADATA, b'{"key_values": [1]}', "something else than keys and values"),
        (
            Kind.KEYVALUE_METADATA,
            b'{"key_values": [{"key": "twofold_network", "value": "n"}]}',
            "lacks fingerprint, folding, kernel_version",
        ),
        (Kind.BUILD_METADATA, b"{}", "without build_metadata"),
        (Kind.EMBEDDED_METADATA, b"\xff", "not UTF-8"),
    ],
)
def test_impossible_sections_are_named(section, content, message):
    with pytest.raises(ParameterError, match=message):
        decode(with_section(section, content))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"platform": "x" * 64}, "at most 63 bytes"),
        ({"memories": (Memory("DDR[0]", 0, 1000),)}, "needs a multiple of 1024"),
        ({"memories": (Memory("a" * 16, 0, 1024),)}, "at most 15 bytes"),
        ({"memories": (Memory("a", 1 << 64, 1024, False),)}, "does not fit its field"),
        ({"units": (Unit("k", "u", 0x100),)}, "needs a multiple of 0x1000"),
        ({"connections": (Connection(0, 5, 0),)}, "connects unit 5 of 2"),
        ({"clocks": (Clock("c", 70000, ClockType.DATA),)}, "does not fit its field"),
        (
            {"memories": (Memory("a", 0, 2048), Memory("b", 1024, 2048))},
            "memory b at 0x400, which overlaps",
        ),
    ],
)
def test_what_does_not_fit_is_not_written(changes, message):
    with pytest.raises(ParameterError, match=message):
        encode(dataclasses.replace(SAMPLE, **{"connections": (), **changes}))


def test_sections_may_not_overlap():
    damaged = bytearray(CONTENT)
    first, second = 456, 496
    (offset,) = struct.unpack_from("<Q", damaged, first + 24)
    struct.pack_into("<Q", damaged, second + 24, offset)
    with pytest.raises(ParameterError, match="is not between"):
        decode(bytes(damaged))


def test_the_digest_covers_the_file():
    keys = json.loads(container_of(CONTENT).sections[Kind.KEYVALUE_METADATA])
    digest = keys["key_values"][0]["value"]
    assert hashlib.sha256(CONTENT.replace(digest.encode(), b"0" * 64)).hexdigest() == digest
