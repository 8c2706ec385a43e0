"""Files are written whole or not at all, and nothing is lost by writing them."""

import ast
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from twofold.hw.contract import files
from twofold.hw.contract.errors import FileError, TwofoldError
from twofold.hw.contract.files import (
    appending,
    check_output,
    protected,
    read_bytes,
    read_json,
    read_text,
    reading,
    replacing,
    write_bytes,
    write_json,
    write_text,
    writing,
)

ROOT = Path(__file__).parents[3]


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    """A function that sets the umask; it is put back afterwards."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def test_a_new_file_gets_its_folders_and_what_the_umask_leaves(tmp_path: Path, umask):
    for mask in (0o022, 0o077, 0o002):
        umask(mask)
        path = tmp_path / f"{mask:o}" / "a" / "file.bin"
        write_bytes(path, b"content")
        assert path.read_bytes() == b"content"
        assert mode(path) == 0o666 & ~mask
        assert names(path.parent) == ["file.bin"]


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o664, 0o755])
def test_an_old_file_keeps_its_permissions(tmp_path: Path, umask, permissions: int):
    umask(0o022)
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(permissions)
    write_text(path, "new")
    assert (path.read_text(), mode(path)) == ("new", permissions)


def test_content_of_a_private_file_is_never_open_to_others(tmp_path: Path, umask):
    umask(0)
    path = tmp_path / "file"
    path.touch(0o600)
    with replacing(path) as scratch:
        assert mode(scratch) == 0o600


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path):
    (tmp_path / "store").mkdir()
    target, link = tmp_path / "store" / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(Path("store") / "target")
    write_text(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    assert names(tmp_path) == ["link", "store"] and names(tmp_path / "store") == ["target"]


def test_a_dangling_link_leads_to_a_new_file(tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "new" / "target")
    write_text(link, "text")
    assert link.is_symlink() and (tmp_path / "new" / "target").read_text() == "text"


def special(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Everything that is no regular file, directly and behind a link."""
    found = {"a folder": folder / "folder", "a pipe": folder / "pipe"}
    found["a folder"].mkdir()
    os.mkfifo(found["a pipe"])
    found["a device"] = Path("/dev/zero")
    links = {}
    for name, path in found.items():
        links[name] = folder / f"link to {name}"
        links[name].symlink_to(path)
    return found, links


@pytest.mark.timeout(20)
def test_only_regular_files_are_written_and_read(tmp_path: Path):
    for paths in special(tmp_path):
        for kind, path in paths.items():
            for refused in (
                lambda path=path: write_text(path, "text"),
                lambda path=path: check_output(path),
                lambda path=path: read_bytes(path, 100),
                lambda path=path: appending(path).__enter__(),
            ):
                with pytest.raises(FileError, match=f"is {kind}; give the name of a regular file"):
                    refused()
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert stat.S_ISCHR(Path("/dev/zero").stat().st_mode)


def test_an_input_is_not_replaced_by_an_output(tmp_path: Path):
    source, other = tmp_path / "source", tmp_path / "other"
    source.write_text("input")
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "hard").hardlink_to(source)
    with protected([source, tmp_path / "missing", tmp_path]):
        for name in ("source", "link", "hard", "../" + tmp_path.name + "/source"):
            for refused in (check_output, lambda path: write_text(path, "output")):
                with pytest.raises(FileError, match=r"is the input .*source itself"):
                    refused(tmp_path / name)
        write_text(other, "output")
        with protected([other]), pytest.raises(FileError):
            write_text(source, "output")  # those around it count as well
    assert source.read_text() == "input"
    write_text(source, "output")
    assert source.read_text() == "output"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path: Path, error):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(error), writing(path) as file:
        file.write(b"half")
        raise error
    assert path.read_text() == "old" and names(tmp_path) == ["file"]


def test_names_that_are_no_text_are_written_as_escapes(tmp_path: Path):
    write_text(tmp_path / "file", os.fsdecode(b"\xff.wav"))
    assert (tmp_path / "file").read_text() == "\\udcff.wav"


def test_a_killed_writer_leaves_the_old_file_alone(tmp_path: Path):
    """A real process, killed in the middle of what would take for ever."""
    path = tmp_path / "file"
    path.write_text("old")
    code = (
        "import sys, pathlib\nfrom twofold.hw.contract.files import writing\n"
        "with writing(pathlib.Path(sys.argv[1])) as file:\n"
        "    while True:\n"
        "        file.write(bytes(65536)); file.flush(); print(end='.', flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.read(3)
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"


def test_of_two_writers_at_once_one_wins_whole(tmp_path: Path):
    """Two real processes write long files of one letter over each other; a reader looks on."""
    path = tmp_path / "file"
    write_bytes(path, b"a" * 100_000)
    code = (
        "import sys, pathlib\nfrom twofold.hw.contract.files import write_bytes\n"
        "for _ in range(30): write_bytes(pathlib.Path(sys.argv[1]), sys.argv[2].encode() * 100_000)"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), letter], cwd=ROOT)
        for letter in "bc"
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        content = path.read_bytes()
        assert len(content) == 100_000 and len(set(content)) == 1
        seen.add(content[:1])
    assert [writer.wait() for writer in writers] == [0, 0]
    assert path.read_bytes()[:1] in (b"b", b"c") and seen & {b"b", b"c"}
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "reason", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO], ids=errno.errorcode.get
)
def test_what_the_system_says_is_one_line(tmp_path: Path, monkeypatch, reason: int):
    """A disk that is full or fails when the content reaches it."""

    def failing(_: int) -> None:
        raise OSError(reason, os.strerror(reason))

    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(files.os, "fsync", failing)
    with pytest.raises(FileError) as caught:
        write_text(path, "new")
    assert str(caught.value) == f"{path}: cannot be written: {os.strerror(reason)}"
    assert path.read_text() == "old" and names(tmp_path) == ["file"]


def test_a_file_that_may_not_grow_is_one_line(tmp_path: Path):
    """The real thing, in a process that may write 1,000 bytes to a file."""
    path = tmp_path / "file"
    path.write_text("old")
    code = (
        "import resource, signal, sys, pathlib\nfrom twofold.hw.contract.files import write_bytes\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_bytes(pathlib.Path(sys.argv[1]), bytes(2000))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    last = done.stderr.splitlines()[-1]
    assert (
        last == f"twofold.hw.contract.errors.FileError: {path}: cannot be written: File too large"
    )
    assert path.read_text() == "old" and names(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["x" * 300, "nul\0byte", "file/below"])
def test_impossible_names_are_one_line(tmp_path: Path, name: str):
    (tmp_path / "file").touch()
    for refused in (
        lambda path: write_text(path, "text"),
        lambda path: check_output(path),
        lambda path: read_bytes(path, 1),
    ):
        with pytest.raises(FileError, match=r"cannot be (written|read)") as caught:
            refused(tmp_path / name)
        assert str(caught.value).count("\n") == 0
    assert names(tmp_path) == ["file"]


def test_the_longest_name_that_fits_is_written(tmp_path: Path):
    write_text(tmp_path / ("x" * 255), "text")
    assert names(tmp_path) == ["x" * 255]


def test_undecodable_names_are_written(tmp_path: Path):
    path = tmp_path / os.fsdecode(b"\xff.bin")
    write_bytes(path, b"content")
    assert read_bytes(path, 10) == b"content"


def test_a_loop_of_links_is_one_line(tmp_path: Path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(FileError, match="cannot be written"):
        write_text(tmp_path / "a", "text")
    with pytest.raises(FileError, match="cannot be read"):
        read_bytes(tmp_path / "a", 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everything")
def test_read_only_files_and_folders_are_refused(tmp_path: Path):
    folder, path = tmp_path / "folder", tmp_path / "file"
    folder.mkdir(0o555)
    path.touch(0o444)
    for place in (folder / "file", path):
        for refused in (check_output, lambda path: write_text(path, "text")):
            with pytest.raises(FileError, match="cannot be written"):
                refused(place)


def test_reading_has_a_limit(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(FileError, match="longer than 4 bytes"):
        read_bytes(path, 4)
    with path.open("r+b") as file:  # a file with a hole of 1 TiB
        file.truncate(1 << 40)
    with pytest.raises(FileError, match="longer than 1000000 bytes"):
        read_bytes(path, 1_000_000)
    with pytest.raises(FileError, match="no such file"):
        read_bytes(tmp_path / "none", 1)


@pytest.mark.timeout(20)
def test_a_pipe_that_nobody_writes_to_does_not_hang(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    begun = time.monotonic()
    with pytest.raises(FileError, match="is a pipe"), reading(tmp_path / "pipe"):
        pass
    assert time.monotonic() - begun < 5


def test_text_and_json_are_checked(tmp_path: Path):
    path = tmp_path / "file.json"
    write_json(path, {"a": [1, 2]})
    assert read_json(path) == {"a": [1, 2]} and read_text(path, 100).endswith("}\n")
    for content in (b"\xff\xfe", b"{", b"", b"[" * 200_000, b"\xef\xbb\xbf{}"):
        path.write_bytes(content)
        with pytest.raises(FileError, match="is not"):
            read_json(path)


def test_growing_files_take_whole_lines_of_many_threads(tmp_path: Path):
    path = tmp_path / "folder" / "log"

    def add(letter: bytes) -> None:
        for _ in range(100):
            with appending(path) as file:
                file.write(letter * 50 + b"\n")

    threads = [threading.Thread(target=add, args=(letter,)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_bytes().splitlines()
    assert sorted(lines) == [b"a" * 50] * 100 + [b"b" * 50] * 100


def test_every_failure_has_a_documented_exit_code():
    assert issubclass(FileError, TwofoldError) and FileError.exit_code == 14
    assert "| 13 |" in (ROOT / "README.md").read_text()


WRITERS = {"write_text", "write_bytes", "savefig", "save", "savez", "savez_compressed"}
BY_ITSELF = ("hw/contract/files.py",)
COPIES = ("sim/rtl/verilate.py",)
"""Copies objects within folders of its own."""


SAVERS = ("quantized.", "checkpoint.", "machine.", "task.machine.", "replace(")
"""What has a method ``save`` that goes through the writer."""


def writes_past(text: str, path: str = "") -> list[str]:
    """Calls in Python code that write a file in another way than `twofold.hw.contract.files`."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        name = called.rpartition(".")[2]
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        modes = [value.value for value in values if isinstance(value, ast.Constant)]
        opens = name == "open" and any(
            isinstance(mode, str) and set(mode) & set("wax+") and set(mode) <= set("rwaxbt+")
            for mode in modes
        )
        direct = name in WRITERS and "." in called and ast.unparse(values[0]) != "file"
        direct = direct and not called.startswith(SAVERS)
        moves = called in ("os.replace", "os.rename", "shutil.move", "shutil.copyfile")
        if opens or direct or (moves and path not in COPIES):
            found.append(f"{path}:{node.lineno}: {called}")
    return found


def test_calls_that_write_past_the_writer_are_seen():
    for code in (
        "path.write_text('x')", "open(path, 'w')", "path.open('ab')", "path.open(mode='x')",
        "np.save(path, array)", "figure.savefig(path)", "shutil.move(a, b)", "os.replace(a, b)",
    ):  # fmt: skip
        assert writes_past(code), code
    for code in ("write_text(path, 'x')", "np.save(file, array)", "path.open('rb')", "open(path)"):
        assert not writes_past(code), code


def test_every_file_goes_through_the_writer():
    found, looked_at = [], 0
    for folder in ("hw", "sw", "sim"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            looked_at += 1
            if name not in BY_ITSELF:
                found += writes_past(path.read_text(), name)
    assert looked_at > 200 and found == []
