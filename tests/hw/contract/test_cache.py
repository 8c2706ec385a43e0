"""The cache of what is slow to make: once, complete, and shared by real processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from twofold.hw.contract.cache import cached, cached_file, digest, locked, run_folder, user_cache
from twofold.hw.contract.errors import FileError

ROOT = Path(__file__).parents[3]
MAKER = """
import pathlib, sys, time
from twofold.hw.contract.cache import cached

target, log, seconds = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), float(sys.argv[3])

def make(folder):
    with log.open("a") as file:
        file.write("made\\n")
    (folder / "first").write_text("1")
    time.sleep(seconds)
    (folder / "second").write_text("2")

found = cached(target, make)
print(sorted(path.name for path in found.iterdir()))
"""


def maker(target: Path, log: Path, seconds: float) -> "subprocess.Popen[str]":
    """A process that makes a cache entry, which takes so long."""
    command = [sys.executable, "-c", MAKER, str(target), str(log), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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
    assert names(target.parent) == ["b"]


def test_a_file_is_made_once(tmp_path: Path):
    calls = []

    def make(path: Path) -> None:
        calls.append(path)
        path.write_text("content")

    for _ in range(2):
        assert cached_file(tmp_path / "a" / "b.so", make).read_text() == "content"
    assert len(calls) == 1 and names(tmp_path / "a") == ["b.so"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, FileError])
def test_an_interrupted_build_leaves_nothing(tmp_path: Path, error: type[BaseException]):
    def make(directory: Path) -> None:
        (directory / "half").touch()
        raise error

    with pytest.raises(error):
        cached(tmp_path / "target", make)
    assert names(tmp_path) == []


def test_a_disk_that_does_not_take_it_is_one_line(tmp_path: Path):
    def make(_: Path) -> None:
        raise OSError(28, os.strerror(28))

    with pytest.raises(FileError, match="target: cannot be written: No space left"):
        cached(tmp_path / "target", make)
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot be locked"):
        cached(tmp_path / "file" / "target", make)
    assert names(tmp_path) == ["file"]


def test_the_loser_of_a_race_takes_what_the_winner_made(tmp_path: Path):
    """Where a lock does not reach, as on some network drives."""

    def make(directory: Path) -> None:
        (tmp_path / "target").mkdir()
        (tmp_path / "target" / "file").write_text("first")
        (directory / "file").write_text("second")

    assert (cached(tmp_path / "target", make) / "file").read_text() == "first"
    assert names(tmp_path) == ["target"]


def test_of_several_processes_one_makes_it(tmp_path: Path):
    target, log = tmp_path / "cache" / "target", tmp_path / "log"
    processes = [maker(target, log, 1.0) for _ in range(4)]
    found = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert found == ["['first', 'second']"] * 4
    assert log.read_text() == "made\n"
    assert names(target.parent) == ["target"]


def test_a_killed_process_is_followed_by_the_next(tmp_path: Path):
    target, log = tmp_path / "cache" / "target", tmp_path / "log"
    first = maker(target, log, 600)
    until(log.exists)
    second = maker(target, log, 0)
    time.sleep(0.5)
    assert second.poll() is None and not target.exists()
    first.kill()
    assert first.wait() == -signal.SIGKILL
    assert second.communicate(timeout=60)[0].strip() == "['first', 'second']"
    assert log.read_text() == "made\nmade\n"
    assert names(target.parent) == ["target"]
    assert first.stdout is not None
    first.stdout.close()


def test_a_lock_keeps_threads_apart_and_says_that_it_waits(tmp_path: Path):
    inside, most, waited = [], [], []
    path = tmp_path / "new" / "thing"

    def work(number: int) -> None:
        for _ in range(20):
            with locked(path, lambda: waited.append(number)):
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.002)
                inside.pop()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 80 and max(most) == 1
    assert waited
    assert names(path.parent) == []


def test_runs_have_folders_of_their_own(tmp_path: Path):
    with run_folder(tmp_path / "run", "core") as one, run_folder(tmp_path / "run", "core") as two:
        assert one.path != two.path and one.path.parent == two.path.parent
        two.kept = True
    assert names(tmp_path / "run") == [two.path.name]
    with pytest.raises(ValueError), run_folder(tmp_path / "run", "failed") as failed:
        raise ValueError
    assert failed.path.is_dir()
    with pytest.raises(KeyboardInterrupt), run_folder(tmp_path / "run", "stopped") as stopped:
        raise KeyboardInterrupt
    assert not stopped.path.exists()
    (tmp_path / "file").touch()
    with pytest.raises(FileError), run_folder(tmp_path / "file", "core"):
        pass


def test_the_users_cache_is_where_the_system_says(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "twofold"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache() == tmp_path / ".cache" / "twofold"


def test_boundaries_count_in_a_digest():
    assert digest(["ab", "c"]) != digest(["a", "bc"])
    assert digest(["ab"]) == digest([b"ab"])
