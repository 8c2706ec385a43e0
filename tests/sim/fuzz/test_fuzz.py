"""The fuzz job: it finds faults that were planted, repeats itself, and never reads as root."""

import json
import mmap
import os
import time
from pathlib import Path
from random import Random

import pytest

from twofold.hw.contract.errors import FileError, ToolError
from twofold.sim.fuzz import case as cases
from twofold.sim.fuzz.case import Limits, Outcome, ordinary_user
from twofold.sim.fuzz.job import case, fuzz
from twofold.sim.fuzz.mutate import mutated
from twofold.sim.fuzz.readers import READERS, Reader

GOOD = b"good"
PLANTED = {
    b"traceback": Outcome.TRACEBACK,
    b"hang": Outcome.HANG,
    b"memory": Outcome.MEMORY,
    b"died": Outcome.DIED,
    b"long": Outcome.TRACEBACK,
    b"refused": Outcome.REFUSED,
    GOOD: Outcome.READ,
}
LIMITS = Limits(seconds=1.0, megabytes=64)


def read_planted(path: Path) -> object:
    """A reader with a fault of each kind."""
    content = path.read_bytes()
    if content == b"traceback":
        return {}["missing"]
    if content == b"hang":
        time.sleep(30)
    if content == b"memory":
        return bytearray(1 << 28)
    if content == b"died":
        os.abort()
    if content in (b"refused", b"long"):
        raise FileError("no" * (1 if content == b"refused" else 9999))
    return content


def planted(content: bytes) -> Reader:
    return Reader("planted", ".bin", lambda: [GOOD], read_planted, change=lambda *_: content)


@pytest.mark.parametrize("content", PLANTED, ids=bytes.decode)
def test_a_planted_fault_is_found(content: bytes, tmp_path: Path):
    said: list[str] = []
    found = fuzz(
        [planted(content)], seed=1, seconds=60, most=2, keep=tmp_path, limits=LIMITS,
        say=said.append,
    )["planted"]  # fmt: skip
    outcome = PLANTED[content]
    assert found.counts == {outcome: 2}
    assert len(found.faults) == len(said) == (2 if outcome.faulty else 0)
    kept = sorted(path.name for path in tmp_path.iterdir())
    if outcome.faulty:
        assert kept == ["planted-0.bin", "planted-0.log", "planted-1.bin", "planted-1.log"]
        assert (tmp_path / "planted-1.bin").read_bytes() == content
    else:
        assert not kept
    assert json.dumps(found.to_json())


def test_memory_is_that_of_the_case_whatever_the_job_has_taken():
    """Also of pages that were reserved before, behind a job whose own peak was higher."""
    reserved = mmap.mmap(-1, 1 << 28)
    held = bytearray(1 << 29)
    del held

    def fill(_: Path) -> object:
        return reserved.write(b"\1" * (1 << 20) * 200)

    outcome, text = cases.run_case(
        Reader("full", ".bin", lambda: [GOOD], fill), Path("/tmp/x.bin"), Limits(20.0, 150)
    )
    assert outcome is Outcome.MEMORY, text
    outcome, _ = cases.run_case(
        Reader("none", ".bin", lambda: [GOOD], lambda _: None), Path("/tmp/x.bin"), LIMITS
    )
    assert outcome is Outcome.READ


def test_a_case_is_the_same_every_time():
    reader = READERS["machine"]
    seeds = reader.seeds()
    inputs = [case(reader, seeds, 1, number) for number in range(20)]
    assert inputs == [case(reader, seeds, 1, number) for number in range(20)]
    assert len(set(inputs)) > 10
    assert inputs != [case(reader, seeds, 2, number) for number in range(20)]


@pytest.mark.parametrize("name", [name for name in READERS if name != "options"])
def test_readers_take_what_is_good_and_survive_some_cases(name: str, tmp_path: Path):
    found = fuzz([READERS[name]], seed=3, seconds=60, most=4, keep=tmp_path)[name]
    assert found.counts.total() > 0
    assert not found.faults, found.faults[0][1]


def test_changes_take_any_content():
    draw = Random(1)
    for content in (b"", b"{", b"PK\x03\x04", b"\x93NUMPY", b"\x89PNG", b"[]"):
        for _ in range(20):
            assert isinstance(mutated(content, draw), bytes)


def test_nothing_is_read_as_root(monkeypatch: pytest.MonkeyPatch):
    def who(_: Path) -> object:
        raise FileError(str(os.geteuid()))

    reader = Reader("who", ".bin", lambda: [GOOD], lambda _: None)
    found = fuzz([reader], seed=1, seconds=10, most=1)
    assert found["who"].counts == {Outcome.READ: 1}
    if not os.geteuid():
        assert ordinary_user() is not None
        monkeypatch.setattr(cases, "USER", "no-such-user")
        with pytest.raises(ToolError, match="nothing is fuzzed as root"):
            fuzz([reader], seed=1, seconds=1)
        monkeypatch.setattr(cases, "USER", "nobody")
        outcome, text = cases.run_case(
            Reader("who", ".bin", lambda: [GOOD], who), Path("/tmp/x.bin"), LIMITS
        )
        assert (outcome, text) == (Outcome.REFUSED, str(ordinary_user()[0]))  # pyright: ignore[reportOptionalSubscript]: as root there is one
