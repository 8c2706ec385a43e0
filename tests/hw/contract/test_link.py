"""Frames of the serial link: there and back, damaged in every way, and what they are for."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.hw.contract import presets
from twofold.hw.contract.link import (
    ADDRESS_BITS,
    ANSWER,
    ESCAPE,
    FLAG,
    REFUSED,
    WORDS,
    WORDS_MAX,
    Frame,
    Op,
    Space,
    Word,
    address,
    bytes_of,
    decode,
    result_words,
    sample_words,
    words_of,
)
from twofold.hw.contract.results import ResultRow

words = st.lists(st.one_of(st.integers(0, (1 << 32) - 1), st.just(0x7D7E7D7E)), max_size=WORDS_MAX)


def body(frame: Frame) -> bytes:
    encoded = frame.encode()
    assert encoded[0] == encoded[-1] == FLAG and encoded.count(FLAG) == 2
    return encoded[1:-1]


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, (1 << 32) - 1), words)
def test_there_and_back(op: int, sequence: int, where: int, content: list[int]):
    frame = Frame(op, sequence, where, tuple(content))
    assert decode(body(frame)) == frame


@given(st.data(), words)
def test_damage_is_seen(data: st.DataObject, content: list[int]):
    """A frame with a byte changed, lost or doubled is none, but for what changes nothing."""
    frame = Frame(Op.WRITE, 7, address(Space.SAMPLES, 3), tuple(content))
    whole = body(frame)
    at = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(("changed", "lost", "doubled")))
    if kind == "changed":
        damaged = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    else:
        damaged = whole[:at] + whole[at : at + 1] * (2 * (kind == "doubled")) + whole[at + 1 :]
    if kind == "doubled" and whole[at] == ESCAPE:
        return
    assert decode(damaged) is None


def test_half_a_frame_and_noise():
    rng = random.Random(3)
    frame = Frame(Op.WRITE, 1, 0, tuple(range(20)))
    for size in range(len(body(frame))):
        assert decode(body(frame)[:size]) is None
    for _ in range(300):
        assert decode(rng.randbytes(rng.randrange(60))) is None
    long = Frame(Op.WRITE, 1, 0, (0,) * (WORDS_MAX + 1))
    assert decode(body(long)) is None


def test_answers():
    assert Frame(Op.READ | ANSWER, 0, 0).answered
    assert not Frame(Op.READ | REFUSED, 0, 0).answered
    assert not Frame(Op.READ, 0, 0).answered
    assert address(Space.COUNTERS, 5) == 4 << ADDRESS_BITS | 5
    assert max(Word) < WORDS


def test_words():
    assert words_of(b"\1\0\0\0\2") == (1, 2)
    assert bytes_of((1, 2)) == b"\1\0\0\0\2\0\0\0"
    assert words_of(b"") == ()


@pytest.mark.parametrize("input_bytes, expected", [(1, 16), (4, 16), (8, 16), (64, 16), (128, 32)])
def test_samples_are_whole_beats(input_bytes: int, expected: int):
    assert sample_words(presets.network("tiny"), input_bytes) == expected


def test_results():
    assert result_words(ResultRow(10)) == 11
    assert result_words(ResultRow(16, labelled=False)) == 16
    assert result_words(ResultRow(16)) == 32
