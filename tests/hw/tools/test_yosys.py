"""Which Yosys is run, what of it is shared, and what becomes of one that is none."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.presets import folding, network
from twofold.hw.primitives.tile import emit
from twofold.hw.tools.text import renumbered
from twofold.hw.tools.yosys import CACHE_VARIABLE, PACKAGE, run_yosys
from twofold.hw.verilog.machine import machine_key

ROOT = Path(__file__).parents[3]
FAKE = """#!/bin/sh
if [ -e "$YOWASP_CACHE_DIR/compiled" ]; then echo ready >> {log}; else
    echo filling >> {log}
    sleep 1
    echo code > "$YOWASP_CACHE_DIR/compiled"
fi
echo Yosys 0
"""


class Wire(wiring.Component):
    """The smallest of hardware."""

    i: Signal
    o: Signal

    def __init__(self) -> None:
        super().__init__({"i": In(1), "o": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.i)
        return m


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("exit 0", "wrote 0 of 1 modules, not top; is it Yosys?"),
        ("echo 'module other(); endmodule'", "wrote 0 of 1 modules"),
        ("cat", "is it Yosys?"),
        ("kill -9 $$", "no output (signal 9, Killed)"),
        ("exit 3", "no output (exit code 3)"),
        ("echo warning; echo ERROR: no >&2; exit 1", "ERROR: no"),
    ],
)
def test_a_program_that_is_not_yosys_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, says: str
):
    fake = program(tmp_path / "yosys", f"#!/bin/sh\n{script}\n")
    monkeypatch.setenv("YOSYS", str(fake))
    with pytest.raises(ToolError, match=re.escape(says)):
        emit(Wire(), "top")


def test_the_command_writes_no_empty_verilog(tmp_path: Path):
    command = [
        sys.executable,
        "-m",
        "twofold.sw.cli.main",
        "rtl",
        "--net",
        "tiny",
        "--build",
        tmp_path,
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"YOSYS": "/bin/true"}, capture_output=True, text=True,
        timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == ToolError.exit_code, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("twofold: ")]
    assert len(said) == 1 and "/bin/true" in said[0] and "Traceback" not in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_program_that_cannot_be_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("YOSYS", str(program(tmp_path / "yosys", "\x7fELF but not really")))
    with pytest.raises(ToolError, match="cannot be run"):
        run_yosys("-V")


def test_another_yosys_has_entries_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What one Yosys wrote is not taken for the work of another."""
    keys = set()
    for release in ("", "1", "2"):
        if release:
            fake = program(tmp_path / release / "yosys", f"#!/bin/sh\necho Yosys {release}\n")
            monkeypatch.setenv("YOSYS", str(fake))
        keys.add(machine_key(network("tiny"), folding("tiny")))
    assert len(keys) == 3


def test_the_wheel_is_prepared_once_and_never_written_again(tmp_path: Path):
    """Three real processes run a program of the wheel's name that fills its folder slowly."""
    log = tmp_path / "log"
    fake = program(tmp_path / PACKAGE, FAKE.format(log=log))
    variables = os.environ | {"YOSYS": str(fake), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    variables.pop(CACHE_VARIABLE, None)
    code = "from twofold.hw.tools.yosys import run_yosys; print(run_yosys('-V').stdout, end='')"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["Yosys 0\n"] * 3
    assert sorted(log.read_text().split()) == ["filling", "ready", "ready", "ready"]
    (prepared,) = (tmp_path / "cache" / "twofold").iterdir()
    assert [path.name for path in prepared.iterdir()] == ["compiled"]


def test_a_folder_that_the_user_names_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fake = program(tmp_path / PACKAGE, '#!/bin/sh\necho "$YOWASP_CACHE_DIR"\n')
    monkeypatch.setenv("YOSYS", str(fake))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "own"))
    assert run_yosys().stdout.strip() == str(tmp_path / "own")


def test_numbers_in_names_do_not_matter():
    first, second = "wire port$12; wire port$7 = port$12;", "wire port$3; wire port$9 = port$3;"
    assert renumbered(first)[0] == renumbered(second)[0] == "wire port$0; wire port$1 = port$0;"
    assert renumbered(first)[1] == ["12", "7"]
    assert renumbered("wire port$1; wire port$2 = port$2;")[0] != renumbered(first)[0]
