"""The cache of generated files."""

from pathlib import Path

import pytest

from twofold.hw.verilog.cache import cached, digest, write_atomically


def test_a_directory_is_made_once(tmp_path: Path):
    calls = []

    def make(directory: Path) -> None:
        calls.append(directory)
        (directory / "file").write_text("content")

    target = tmp_path / "a" / "b"
    for _ in range(2):
        assert cached(target, make) == target
    assert len(calls) == 1
    assert (target / "file").read_text() == "content"
    assert [path.name for path in target.parent.iterdir()] == ["b"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_build_leaves_nothing(tmp_path: Path, error: type[BaseException]):
    def make(directory: Path) -> None:
        (directory / "half").touch()
        raise error

    with pytest.raises(error):
        cached(tmp_path / "target", make)
    assert list(tmp_path.iterdir()) == []


def test_the_loser_of_a_race_takes_what_the_winner_made(tmp_path: Path):
    def make(directory: Path) -> None:
        (tmp_path / "target").mkdir()
        (tmp_path / "target" / "file").write_text("first")
        (directory / "file").write_text("second")

    assert (cached(tmp_path / "target", make) / "file").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_boundaries_count_in_a_digest():
    assert digest(["ab", "c"]) != digest(["a", "bc"])
    assert digest(["ab"]) == digest([b"ab"])


def test_a_text_file_appears_whole(tmp_path: Path):
    path = tmp_path / "reports" / "sim.json"
    write_atomically(path, "old")
    write_atomically(path, "new")
    assert path.read_text() == "new"
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "new"
    assert [entry.name for entry in path.parent.iterdir()] == ["sim.json"]
