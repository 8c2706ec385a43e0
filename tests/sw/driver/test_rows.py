"""Results in arrays, and registers sample by sample."""

import struct

import numpy as np
import pytest

from twofold.hw.contract import regs
from twofold.hw.contract.results import ResultRow
from twofold.sw.driver.device import identity, read_words
from twofold.sw.driver.rows import fill_rows, rows_of, split_rows
from twofold.sw.driver.software import SoftwareUnit
from twofold.sw.errors import WrongPlatformError


@pytest.mark.parametrize("outputs", [1, 15, 16, 31, 32, 35, 640])
@pytest.mark.parametrize("labelled", [True, False])
def test_rows_are_written_and_read_as_they_lie_in_memory(outputs: int, labelled: bool):
    row = ResultRow(outputs, labelled)
    memory = np.full(3 * row.nbytes + 64, 0xA5, np.uint8)
    rows = rows_of(memory, row, 3)
    logits = np.arange(3 * outputs, dtype=np.int32).reshape(3, outputs) * 7919 - 10_000
    labels = np.array([0, outputs // 2, outputs - 1]) if labelled else None
    fill_rows(rows, row, logits, labels)
    for sample in range(3):
        content = memory[sample * row.nbytes : (sample + 1) * row.nbytes].tobytes()
        assert content.startswith(struct.pack(f"<{outputs}i", *logits[sample]))
        label = None if labels is None else labels[sample]
        assert row.read(content) == (tuple(logits[sample]), label)
        assert not any(content[4 * outputs : row.nbytes - 4 * labelled])
    assert (memory[3 * row.nbytes :] == 0xA5).all()
    found, found_labels = split_rows(rows, row)
    assert (found == logits).all() and np.shares_memory(found, memory)
    assert (found_labels is None) == (labels is None)
    if labels is not None:
        assert (found_labels == labels).all()


def test_labels_go_with_labelled_rows_alone():
    logits = np.zeros((1, 3), np.int32)
    for labelled, labels in ((True, None), (False, np.zeros(1, np.int64))):
        row = ResultRow(3, labelled)
        with pytest.raises(ValueError, match="labels with raw outputs, or none without"):
            fill_rows(np.zeros((1, row.columns), np.int32), row, logits, labels)


@pytest.mark.parametrize("name", ["status", "cycles", "fingerprint", "busy"])
def test_registers_are_read_from_the_low_sample_up(name: str):
    """Which is what makes the kernel keep the high half of a counter."""
    one, asked = regs.register(name), []

    def read(offset: int) -> int:
        asked.append(offset)
        return len(asked)

    value = read_words(one, read)
    assert asked == list(range(one.offset, one.end, 4))
    assert value.to_bytes(one.size, "little") == struct.pack(
        f"<{len(asked)}I", *range(1, len(asked) + 1)
    )


def test_a_unit_with_impossible_outputs_is_none_of_ours(quantized, folding, monkeypatch):
    unit = SoftwareUnit("unit", quantized.network, folding, None, shared=True)  # pyright: ignore[reportArgumentType]
    assert identity(unit).row == ResultRow(10)
    monkeypatch.setitem(unit._registers, "outputs", 0)
    with pytest.raises(WrongPlatformError, match="unit is none of our machines: result: 0 outputs"):
        identity(unit)
