"""Pieces of the open flow: clocks, tops, what the router says, and tools that are missing."""

import os
from pathlib import Path

import pytest

from twofold.hw.boards import desks, find
from twofold.hw.contract.errors import BoardError, ToolError
from twofold.hw.route import flow, load
from twofold.hw.route.flow import figures_of
from twofold.hw.route.pll import VCO_HZ, dividers
from twofold.hw.route.synthesis import log_kept
from twofold.hw.route.top import top_of
from twofold.hw.tools.native import processor_seconds

pytest.importorskip("amaranth_boards")


@pytest.mark.parametrize("source", [12e6, 25e6, 100e6])
@pytest.mark.parametrize("wanted", [48e6, 60e6, 100e6])
def test_clocks(source: float, wanted: float):
    found = dividers(source, wanted)
    clock = found.clock(source)
    assert 0.95 * wanted <= clock <= wanted * (1 + 1e-9)
    assert VCO_HZ[0] <= clock * found.output <= VCO_HZ[1]


@pytest.mark.parametrize("wanted", [1e6, 900e6])
def test_a_clock_that_cannot_be_made(wanted: float):
    with pytest.raises(BoardError, match="ask for another one with --clock"):
        dividers(12e6, wanted)


@pytest.mark.parametrize("name", desks())
def test_a_top_has_clock_line_and_machine(name: str):
    board = find(name)
    pins = top_of(board)
    assert pins.clock_hz == pytest.approx(1e6 * board.clock_mhz, rel=0.01)
    for cell in ("\\EHXPLLL", "\\station", "\\top"):
        assert f"cell {cell}" in pins.rtlil or f"module {cell}" in pins.rtlil
    sites = [line for line in pins.constraints.splitlines() if line.startswith("LOCATE")]
    assert sum("uart" in line for line in sites) >= 2 and sum("clk" in line for line in sites) == 1
    assert "FREQUENCY" in pins.constraints


def test_a_clock_that_is_too_slow_for_the_line():
    with pytest.raises(BoardError, match="too slow for the link of ecpix5-85, which needs 48 MHz"):
        top_of(find("ecpix5-85"), 40e6)


def test_a_card_is_not_built_by_open_tools():
    with pytest.raises(BoardError, match="board u250 is not built by open tools"):
        top_of(find("u250"))


def test_figures_of_the_router():
    report = {
        "fmax": {"$glbnet$clk": {"achieved": 88.9, "constraint": 50.0},
                 "slow": {"achieved": 61.25, "constraint": 50.0}},
        "utilization": {"TRELLIS_COMB": {"used": 10, "available": 100},
                        "DP16KD": {"used": 3, "available": 56},
                        "DCCA": {"used": 1, "available": 56}},
    }  # fmt: skip
    found = figures_of(report)
    assert found == {"fmax_hz": 61.25e6, "used": {"comb": (10, 100), "ebr": (3, 56)}}
    with pytest.raises(ToolError, match="names no clock"):
        figures_of(report | {"fmax": {}})


def test_progress_from_the_routers_log():
    seen: list[tuple[str, int, int]] = []
    watch = flow._Watch(lambda *step: seen.append(step))
    for spent, line in (
        (0.5, "Info: Packing constants.."),
        (2.0, "Info: Creating initial analytic placement for 100 cells"),
        (7.0, "Info: Running router2..."),
        (8.0, "    iter=1 wires=900 overused=400 overuse=500 archfail=NA"),
        (9.0, "    iter=2 wires=900 overused=100 overuse=100 archfail=NA"),
    ):
        watch.line(line, spent)
    watch.end()
    assert watch.seconds == {"packing": 2.0, "placement": 5.0, "routing": 2.0}
    assert ("routing", 300, 400) in seen


def program(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_tool_that_fails_is_told_by_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tool = program(tmp_path, "router", "echo Info: well; echo 'ERROR: no such cell'; echo; exit 3")
    monkeypatch.setattr(flow, "find_tool", lambda _: str(tool))
    with pytest.raises(ToolError, match=r"^router failed: ERROR: no such cell \(exit code 3\)$"):
        flow._run(["router"], tmp_path, "log", lambda *_: None)
    assert "Info: well" in (tmp_path / "log").read_text()
    monkeypatch.setattr(flow, "find_tool", lambda _: None)
    with pytest.raises(ToolError, match="router is missing; install the extra named ecp5"):
        flow._run(["router"], tmp_path, "log", lambda *_: None)


def test_the_log_of_a_step_that_fails_is_kept(tmp_path: Path):
    (tmp_path / "step").mkdir()
    (tmp_path / "step" / "tool.log").write_text("said")
    with (
        pytest.raises(ToolError, match=r"failed; log in \S+/run/route\.\w+/tool\.log$"),
        log_kept(tmp_path, tmp_path / "step", "tool.log"),
    ):
        raise ToolError("failed")
    (kept,) = tmp_path.glob("run/route.*/tool.log")
    assert kept.read_text() == "said"


def test_processor_time_of_a_process():
    begun = processor_seconds(os.getpid())
    assert begun > 0 == processor_seconds(1 << 30)
    while processor_seconds(os.getpid()) < begun + 0.02:
        pass


def test_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = tmp_path / "log"
    tool = program(tmp_path, "loader", f'echo "$@" > {log}; test -e {tmp_path}/ok || exit 1')
    monkeypatch.setattr(load, "find_tool", lambda _: str(tool))
    with pytest.raises(ToolError, match="openFPGALoader failed"):
        load.load(find("ulx3s-85f"), tmp_path / "top.bit")
    (tmp_path / "ok").touch()
    load.load(find("ulx3s-85f"), tmp_path / "top.bit")
    assert log.read_text().split() == ["--board", "ulx3s", os.fspath(tmp_path / "top.bit")]
    monkeypatch.setattr(load, "find_tool", lambda _: None)
    with pytest.raises(ToolError, match="openFPGALoader is missing"):
        load.load(find("ulx3s-85f"), tmp_path / "top.bit")
