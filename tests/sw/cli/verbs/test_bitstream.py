"""``twofold bitstream`` for boards that open tools build; the tools are played."""

import json
from pathlib import Path
from typing import Any

import pytest

from twofold.hw.contract.machine import Machine
from twofold.hw.route import flow, load
from twofold.sw.cli.main import main

pytest.importorskip("amaranth_boards")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the builder and the loader are asked for."""
    seen: dict[str, Any] = {}
    path = tmp_path / "top.bit"
    path.write_bytes(bytes(1234))

    def build(machine: Machine, directory: Path, **options: Any) -> flow.Built:
        seen.update(machine=machine, directory=directory, **options)
        used = {
            "comb": (11_000, 84_000),
            "ff": (6_000, 84_000),
            "ebr": (15, 208),
            "mult": (10, 156),
        }
        seconds = {"synthesis": 80.0, "packing": 1.0, "placement": 90.0, "routing": 30.0}
        return flow.Built(path, tmp_path, 50e6, 101.26e6, used, seconds)

    monkeypatch.setattr(flow, "build", build)
    monkeypatch.setattr(load, "load", lambda board, path: seen.update(board=board.name, bits=path))
    return seen


def run(build: Path, *options: str) -> int:
    words = ["bitstream", "--board", "ulx3s-85f", "--net", "tiny", "--build", str(build)]
    return main([*words, *options])


def test_a_board_gets_a_small_machine_and_a_report(
    asked: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(tmp_path / "build") == 0
    assert asked["machine"].name == "tiny-fast-small" and asked["machine"].board == "ulx3s-85f"
    assert asked["clock_hz"] is None and asked["seed"] == 1 and "bits" not in asked
    said = capsys.readouterr().out
    assert "works up to 101.3 MHz, runs at 50" in said and "11,000 LUTs (13%)" in said
    figures = json.loads((tmp_path / "build" / "reports" / "board.json").read_text())
    keys = "board network routed fmax_mhz comb ebr mult cycles_per_sample samples_per_second"
    assert {*keys.split()} <= {*figures}
    assert figures["fmax_mhz"] == 101.3 and figures["bytes"] == 1234
    assert figures["samples_per_second"] == round(50e6 / figures["cycles_per_sample"])


def test_options_of_a_board(asked: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture):
    options = ("--clock", "62.5", "--seed", "7", "--load", "--json", "--folding", "full")
    assert run(tmp_path / "build", *options) == 0
    assert asked["machine"].name == "tiny-fast-full"
    assert asked["clock_hz"] == 62.5e6 and asked["seed"] == 7
    assert asked["board"] == "ulx3s-85f" and asked["bits"] == tmp_path / "top.bit"
    printed = json.loads(capsys.readouterr().out)
    assert printed["routed"] is True and printed["machine"] == "tiny-fast-full"


def test_what_only_a_board_has_is_refused_for_a_card(asked: dict[str, Any], tmp_path: Path):
    for options in (["--load"], ["--clock", "60"], ["--seed", "2"]):
        words = ["bitstream", "--net", "tiny", "--build", str(tmp_path), *options]
        assert main(words) == 13
    assert not asked
