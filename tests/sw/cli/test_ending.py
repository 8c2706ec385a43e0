"""How commands end: full disks, closed pipes, signals, and names that are no text."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from twofold.hw.contract.errors import FileError, ToolError
from twofold.sw.cli.ending import EXIT_INTERRUPTED, EXIT_PIPE_CLOSED, LONGEST, ended

ENTRY = (sys.executable, "-m", "twofold.sw.cli.entry")
WORKING = """
import sys, time
from pathlib import Path
from twofold.hw.contract.cache import run_folder
from twofold.sw.cli.ending import ended

def work():
    with run_folder(Path(sys.argv[1]), "run") as run:
        (run.path / "log").write_text("half")
        print("working", flush=True)
        time.sleep(100)

sys.exit(ended(work))
"""


def command(*arguments: object, **options) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*ENTRY, *map(os.fsencode, map(str, arguments))],
        stderr=subprocess.PIPE, timeout=60, check=False, **options,
    )  # fmt: skip


def failing(error: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (OSError(28, "No space left on device", "/a/b"), FileError.exit_code,
         "twofold: /a/b: No space left on device\n"),
        (OSError("no reason"), FileError.exit_code, "twofold: no reason\n"),
        (MemoryError(), ToolError.exit_code,
         "twofold: there is not enough memory for this; ask for less at a time\n"),
        (KeyboardInterrupt(), EXIT_INTERRUPTED, "twofold: interrupted\n"),
        (BrokenPipeError(32, "Broken pipe"), EXIT_PIPE_CLOSED, ""),
    ],
    ids=repr,
)  # fmt: skip
def test_errors_of_the_system_are_one_line(error, code, line, capsys):
    assert ended(failing(error)) == code
    assert capsys.readouterr().err == line


def test_an_interrupt_that_python_wraps(capsys):
    """As in a class that is being made when it comes."""
    error = RuntimeError("Error calling __set_name__")
    error.__cause__ = KeyboardInterrupt()
    assert ended(failing(error)) == EXIT_INTERRUPTED
    assert capsys.readouterr().err == "twofold: interrupted\n"


def test_a_fault_of_ours_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        ended(lambda: 1 // 0)


def test_long_lines_keep_their_ends(capsys):
    ended(failing(FileError("begin" + "x" * 9000 + "end")))
    line = capsys.readouterr().err
    assert len(line) < LONGEST + 50 and line.startswith("twofold: begin") and line.endswith("end\n")


@pytest.mark.parametrize("verb", [("--help",), ("sim", "--help"), ("devices", "--json")])
def test_full_and_closed_outputs(verb):
    with Path("/dev/full").open("wb") as full:
        done = command(*verb, stdout=full)
    assert done.returncode == FileError.exit_code
    assert done.stderr == b"twofold: standard output: cannot be written: No space left on device\n"
    reader, writer = os.pipe()
    os.close(reader)
    done = command(*verb, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (EXIT_PIPE_CLOSED, b"")


def test_no_output_at_all():
    script = f"exec {' '.join(ENTRY)} devices >&- 2>&-"
    assert subprocess.run(["sh", "-c", script], timeout=60, check=False).returncode == 0


def test_a_name_that_is_no_text(tmp_path: Path):
    path = tmp_path / os.fsdecode(b"\xff\xfe.wav")
    path.write_bytes(b"RIFF")
    done = command("infer", "--device", "cpu", path, stdout=subprocess.PIPE)
    assert done.returncode == 7 and b"\xff\xfe.wav" in done.stderr
    assert b"Traceback" not in done.stderr and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("name", ["n" * 300, "d/" * 3000 + "f", "a/../b/c.wav", ""])
def test_names_that_cannot_be(tmp_path: Path, name: str):
    done = command("infer", "--device", "cpu", f"{tmp_path}/{name}", stdout=subprocess.PIPE)
    assert done.returncode in (7, 14) and done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"twofold: ")


def test_a_disk_that_is_full(tmp_path: Path):
    """Played by a limit on the size of files; nothing half-written is left."""
    out = tmp_path / "image"
    out.write_bytes(b"old")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = command(
        "pack", "--net", "tiny", "--folding", "small", "--out", out, preexec_fn=limit,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert done.returncode == FileError.exit_code, done.stderr
    assert done.stderr == f"twofold: {out}: cannot be written: File too large\n".encode()
    assert out.read_bytes() == b"old" and [*tmp_path.iterdir()] == [out]


def as_in_a_terminal() -> None:
    """Signals that the tests' own parent ignores, as `nohup` does, act as by default."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_nothing_behind(tmp_path: Path, number: signal.Signals):
    with subprocess.Popen(
        [sys.executable, "-c", WORKING, tmp_path],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=as_in_a_terminal,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"working\n"
        assert [*tmp_path.iterdir()]
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err == (b"twofold: interrupted\n" if number == signal.SIGINT else b"")
    assert not [*tmp_path.iterdir()]


def test_signals_are_as_before_afterwards():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    assert ended(lambda: 0) == 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0])
def test_an_interrupt_while_starting(tmp_path: Path, seconds: float):
    """Wherever it comes: nothing, or one line. The interpreter itself is up when it has made
    the folder.
    """
    program = (
        f"import os; os.mkdir({str(tmp_path / 'up')!r}); from twofold.sw.cli.entry import main; "
        "import sys; sys.argv[1:] = ['sim', '--net', 'tiny', '--build', sys.argv[1]]; "
        "sys.exit(main())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "build"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=as_in_a_terminal,
    ) as process:  # fmt: skip
        while not (tmp_path / "up").exists():
            time.sleep(0.01)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode in (EXIT_INTERRUPTED, -signal.SIGINT)
    assert b"Traceback" not in err
