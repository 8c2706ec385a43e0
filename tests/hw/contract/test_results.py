"""Rows of results: one rule, written down here a second time, in numbers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import OUTPUTS_MAX, Linear, Network
from twofold.hw.contract.results import ResultRow, result_row

OUTPUTS = st.integers(1, OUTPUTS_MAX)


@pytest.mark.parametrize(
    ("outputs", "labelled", "size", "label_at"),
    [
        (1, True, 64, 60),
        (10, True, 64, 60),
        (15, True, 64, 60),
        (16, True, 128, 124),
        (31, True, 128, 124),
        (32, True, 192, 188),
        (35, True, 192, 188),
        (100, True, 448, 444),
        (640, True, 2624, 2620),
        (1, False, 64, None),
        (16, False, 64, None),
        (17, False, 128, None),
        (640, False, 2560, None),
        (8192, True, 32832, 32828),
    ],
)
def test_size_and_place_of_the_label(outputs, labelled, size, label_at):
    row = ResultRow(outputs, labelled)
    assert (row.nbytes, row.beats, row.columns) == (size, size // 64, size // 4)
    assert row.label_column == (None if label_at is None else label_at // 4)
    content = bytearray(size)
    expected = tuple((-3) ** (at % 19) for at in range(outputs))
    struct.pack_into(f"<{outputs}i", content, 0, *expected)
    if label_at is not None:
        struct.pack_into("<I", content, label_at, outputs - 1)
    assert row.read(bytes(content)) == (expected, None if label_at is None else outputs - 1)


@given(OUTPUTS, st.booleans())
def test_rows_are_whole_beats_without_a_spare_one(outputs, labelled):
    row = ResultRow(outputs, labelled)
    assert row.nbytes % 64 == 0
    assert 0 <= row.nbytes - 4 * (outputs + labelled) < 64
    assert row.label_column is None or row.label_column >= outputs


@given(OUTPUTS, st.booleans())
def test_the_register_tells_all(outputs, labelled):
    row = ResultRow(outputs, labelled)
    assert ResultRow.of_register(row.register) == row
    assert 0 < row.register < 1 << 32


@pytest.mark.parametrize("value", [0, 1 << 31, OUTPUTS_MAX + 1, 0xFFFFFFFF])
def test_nonsense_in_the_register_is_refused(value):
    with pytest.raises(NetworkError, match=rf"outputs, needs 1\.\.{OUTPUTS_MAX}"):
        ResultRow.of_register(value)


def test_row_of_a_network():
    for labels in (("a", "b", "c"), ()):
        network = Network("small", (1, 2, 2), (Linear(out_features=3),), labels)
        assert result_row(network) == ResultRow(3, labelled=bool(labels))
