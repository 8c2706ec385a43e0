"""Verilog to programs: in folders of any name, and what is said where it fails."""

import subprocess
from pathlib import Path

import pytest

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.progress import Report, silent
from twofold.sim.rtl import verilate as verilator
from twofold.sim.rtl.plain import plain
from twofold.sim.rtl.verilate import Program, verilate

VERILOG = """
module core(input clk, output reg [7:0] o);
  always @(posedge clk) o <= 8'd42;
endmodule
"""
MAIN = """
#include "Vtop.h"
#include <cstdio>
int main() {
    Vtop top;
    for (int half = 0; half < 4; ++half) { top.clk = half & 1; top.eval(); }
    std::printf("%d", top.o);
}
"""
FLAGS = "-fPIC -fno-gnu-unique"
"""Those of the machine's library, whose runtime is there already."""


def build(
    folder: Path, kept: Path, verilog: str = VERILOG, main: str = MAIN, report: Report = silent
) -> Path:
    folder.mkdir(parents=True)
    (folder / "core.v").write_text(verilog)
    (folder / "main.cpp").write_text(main)
    program = Program(sources=(folder / "main.cpp",), output="program", compile_flags=FLAGS)
    return verilate(folder / "core.v", folder / "work", program, kept, report)


def test_a_folder_whose_name_has_a_space(tmp_path: Path, build_cache: Path):
    program = build(tmp_path / "my own build", build_cache / "library")
    assert program.is_relative_to(tmp_path)
    assert subprocess.run([program], capture_output=True, check=True).stdout == b"42"


@pytest.mark.parametrize(
    ("verilog", "main", "says"),
    [
        ("module core(input clk); other o(); endmodule", MAIN, "verilator failed: %Error.*other"),
        (VERILOG, MAIN.replace("top.o", "top.p"), "make failed: .*error: .*no member named .*p"),
        (VERILOG, MAIN.replace("main", "niam"), "make failed: .*undefined reference to .main"),
    ],
)
def test_what_failed_is_told(tmp_path: Path, build_cache: Path, verilog, main, says):
    with pytest.raises(ToolError, match=says) as error:
        build(tmp_path / "build", build_cache / "library", verilog, main)
    assert "exit code" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("whole", [True, False])
def test_every_compiled_file_is_progress(
    tmp_path: Path, build_cache: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
):
    monkeypatch.setattr(verilator, "WHOLE_BYTES", 1 << 20 if whole else 0)
    told: list[tuple[str, int, int]] = []
    build(
        tmp_path / "build", build_cache / "library",
        report=lambda what, done, total: told.append((what, done, total)),
    )  # fmt: skip
    parts = [(done, total) for what, done, total in told if what == "compile"]
    totals = {total for _, total in parts}
    assert len(totals) == 1 and parts[-2][0] == max(totals), "the last line but one is the linker's"


def test_plain_names_stay_as_they_are(tmp_path: Path):
    with plain([tmp_path]) as name:
        assert name(tmp_path / "a") == tmp_path / "a"


def test_names_with_spaces_are_links_for_a_while(tmp_path: Path):
    first, second = tmp_path / "a b", tmp_path / "a b" / "c\td"
    second.mkdir(parents=True)
    (second / "file").write_text("content")
    with plain([second, first]) as name:
        found = name(second / "file")
        assert found.read_text() == "content"
        assert not any(character.isspace() for character in f"{found}{name(first)}")
    assert not found.exists() and (second / "file").exists()
