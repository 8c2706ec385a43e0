"""Parameter image: round trips, and every way in which bytes can be wrong."""

import gc
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.hw.contract import parameters, presets
from twofold.hw.contract.errors import FoldingError, ParameterError
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding, plans
from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.hw.contract.tables import TableKind, tables
from twofold.hw.machine.core import Core
from twofold.sim.workloads.random_network import random_folding, random_network

SEEDS = st.integers(0, 1 << 30)
NETWORK, FOLDING = presets.network("tiny"), presets.folding("tiny")
PLANS, PRINT = plans(NETWORK, FOLDING), fingerprint(NETWORK, FOLDING)


def sections(machine, draw) -> list[parameters.Section]:
    """Sections of random values that fit; ``draw(low, high)`` gives a value below ``high``."""
    return [
        parameters.Section(table, lane, tuple(draw(*table.limits) for _ in range(table.depth)))
        for table, lane in parameters.expected_sections(machine)
    ]


def plain_sections() -> list[parameters.Section]:
    """Sections in which every value says where it is."""
    count = iter(range(1 << 30))
    return sections(PLANS, lambda low, high: low + next(count) % (high - low))


def sealed(content: bytes) -> bytes:
    """``content`` with length and checksum made right, so that only its meaning is wrong."""
    body = content[:8] + struct.pack("<I", len(content)) + content[12:-4]
    return body + struct.pack("<I", zlib.crc32(body))


IMAGE = parameters.pack(plain_sections(), PRINT)


@given(SEEDS, st.randoms(use_true_random=False))
def test_round_trip(seed, source):
    network = random_network(seed)
    folding = random_folding(network, seed)
    machine, mark = plans(network, folding), fingerprint(network, folding)
    written = sections(machine, source.randrange)
    content = parameters.pack(written, mark)
    assert len(content) % parameters.ALIGN_BYTES == 0
    assert parameters.unpack(content, machine, mark) == written


@given(SEEDS)
def test_length_is_known_before(seed):
    network = random_network(seed)
    folding = random_folding(network, seed)
    machine, mark = plans(network, folding), fingerprint(network, folding)
    content = parameters.pack(sections(machine, lambda low, _: low), mark)
    assert len(content) == parameters.parameter_bytes(machine)


# The core that is refused was created and never used; it goes here, not in another test.
@pytest.mark.filterwarnings("ignore:.*created but never used")
def test_a_machine_that_no_image_could_be_loaded_into_is_refused():
    network = Network(
        "big",
        (1, 1, 1),
        (Conv2d(out_channels=8000, kernel=(1, 1)), Linear(out_features=8000)),
        (),
    )
    folding = Folding((GatherFolding(), ScatterFolding(lanes=8000)), input_bytes=1)
    machine = plans(network, folding)
    with pytest.raises(
        FoldingError, match=r"parameter image would be \d{9} bytes long, at most 6710"
    ):
        parameters.check_image_fits(machine)
    with pytest.raises(FoldingError, match="parameter image"):
        Core(network, folding)
    gc.collect()
    parameters.check_image_fits(PLANS)


def test_layout_is_as_documented():
    words = struct.unpack(f"<{len(IMAGE) // 4}I", IMAGE)
    assert IMAGE[:4] == b"2FLD"
    assert words[1:4] == (parameters.VERSION, len(IMAGE), len(plain_sections()))
    assert IMAGE[16:48] == PRINT
    assert words[-1] == zlib.crc32(IMAGE[:-4])
    at = parameters.HEADER_WORDS
    for section in plain_sections():
        table = section.table
        assert words[at] == table.stage | table.kind << 8 | section.lane << 16
        assert words[at + 1] == table.depth
        low, high = words[at + 2] & 0xFFFF, words[at + 2] >> 16
        mask = (1 << table.element_bits) - 1
        if table.element_bits == 32:
            assert words[at + 2] == section.values[0] & mask
        else:
            assert low == section.values[0] & mask
            assert high == (section.values[1] & mask if table.depth > 1 else 0)
        at += 2 + -(-table.depth * table.element_bits // 32)
    assert not any(words[at:-1])


@given(st.integers(0, len(IMAGE) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed(at, flip):
    damaged = bytearray(IMAGE)
    damaged[at] ^= flip
    with pytest.raises(ParameterError):
        parameters.unpack(bytes(damaged), PLANS, PRINT)


@given(st.integers(0, len(IMAGE) - 1))
def test_any_missing_end_is_noticed(length):
    with pytest.raises(ParameterError):
        parameters.unpack(IMAGE[:length], PLANS, PRINT)


@given(st.integers(parameters.HEADER_WORDS * 4, len(IMAGE) - 5), st.binary(min_size=1, max_size=8))
def test_sealed_damage_gives_an_error_or_values_in_range(at, patch):
    damaged = sealed(IMAGE[:at] + patch + IMAGE[at + len(patch) :])
    try:
        found = parameters.unpack(damaged, PLANS, PRINT)
    except ParameterError:
        return
    for section in found:
        low, high = section.table.limits
        assert low <= min(section.values) and max(section.values) < high


FIRST = parameters.HEADER_WORDS * 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is 0 bytes long, shorter than a header"),
        (b"3FLD" + IMAGE[4:], "does not start with the magic"),
        (IMAGE[:4] + b"\x09" + IMAGE[5:], "has format version 9, this program reads"),
        (IMAGE + bytes(64), "bytes long and is"),
        (IMAGE[:-1] + bytes([IMAGE[-1] ^ 1]), "is damaged: its CRC-32"),
        (sealed(IMAGE[:16] + bytes(32) + IMAGE[48:]), "was packed for machine 000000000000"),
        (sealed(IMAGE[:12] + b"\x01" + IMAGE[13:]), "holds 1 sections, this machine needs"),
        (
            sealed(IMAGE[:FIRST] + b"\x07" + IMAGE[FIRST + 1 :]),
            "in place of the section of stage 0",
        ),
        (sealed(IMAGE[: FIRST + 4] + b"\x07" + IMAGE[FIRST + 5 :]), "with 7 elements in place"),
        (sealed(IMAGE[: FIRST + 9] + b"\xff" + IMAGE[FIRST + 10 :]), "has a value outside 0..4095"),
        (sealed(IMAGE[:-64]), "ends inside the section of stage"),
        (sealed(IMAGE[:-4] + b"\1" + bytes(67)), "non-zero bytes behind"),
    ],
)
def test_each_rule_has_its_message(content, message):
    with pytest.raises(ParameterError, match=message):
        parameters.unpack(content, PLANS, PRINT)


@given(st.data())
def test_values_outside_their_element_are_not_written(data):
    written = plain_sections()
    index = data.draw(st.integers(0, len(written) - 1))
    table = written[index].table
    low, high = table.limits
    value = data.draw(st.sampled_from((low - 1, high, high + 1000)))
    at = data.draw(st.integers(0, table.depth - 1))
    values = list(written[index].values)
    values[at] = value
    written[index] = parameters.Section(table, written[index].lane, values)
    with pytest.raises(ParameterError, match=f"{value} is outside {low}"):
        parameters.pack(written, PRINT)


def test_sections_of_the_wrong_length_are_not_written():
    section = plain_sections()[0]
    short = parameters.Section(section.table, section.lane, section.values[1:])
    with pytest.raises(ParameterError, match="elements, the table has"):
        parameters.pack([short], PRINT)


def test_images_that_get_too_long_are_not_written():
    section = plain_sections()[0]
    many = parameters.LENGTH_MAX // 4 // section.table.depth
    with pytest.raises(ParameterError, match="bytes long, at most"):
        parameters.pack([section] * many * 2, PRINT)


@given(SEEDS)
def test_tables_have_an_element_for_everything(seed):
    network = random_network(seed)
    for plan in plans(network, random_folding(network, seed)):
        found = {table.kind: table for table in tables(plan)}
        assert (TableKind.MUL in found) == plan.stage.layer.multiplier
        assert (TableKind.SHIFT in found) != plan.stage.last
        assert found[TableKind.ADD].lanes * found[TableKind.ADD].depth >= plan.stage.channels
        weights = found[TableKind.WEIGHTS]
        assert weights.lanes * weights.depth >= plan.stage.weights / plan.stage.slots
