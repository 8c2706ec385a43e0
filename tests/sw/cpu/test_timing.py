"""The benchmark's command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from twofold.hw.contract import presets
from twofold.sim.workloads.random_network import random_inputs, random_quantized
from twofold.sw.cpu import available_isas
from twofold.sw.cpu.timing import main

QUICK = ("--repeats", "2", "--seconds", "0.01")


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.npz"
    random_quantized(presets.network("tiny"), 1).save(path)
    return path


def test_rows_and_layers(network: Path, capsys: pytest.CaptureFixture[str]):
    options = ("--batch", "1,20", "--threads", "1,2", "--isa", "all", "--json")
    assert main(["--network", str(network), *options, *QUICK]) == 0
    report = json.loads(capsys.readouterr().out)
    found = [(row["isa"], row["batch"], row["threads"]) for row in report["rows"]]
    assert found == [(isa, b, t) for isa in available_isas() for b in (1, 20) for t in (1, 2)]
    for row in report["rows"]:
        low, high = row["spread"]
        assert row["logits_ok"]
        assert 0 < low <= row["samples_per_second"] <= high
        assert 0 < row["samples_per_core_second"] <= row["best_per_core_second"]
    assert len(report["layers"]) == 4 * len(found)
    assert all(layer["microseconds"] > 0 for layer in report["layers"])


def test_table_on_given_inputs(network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    inputs = tmp_path / "inputs.npy"
    np.save(inputs, random_inputs(presets.network("tiny"), 5))
    options = ("--inputs", str(inputs), "--batch", "12", "--layers")
    assert main(["--network", str(network), *options, *QUICK]) == 0
    shown = capsys.readouterr().out
    assert "twofold-cpu, tiny-fast" in shown
    assert "linear2" in shown


def test_errors_are_one_line(network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    wrong = tmp_path / "wrong.npy"
    wrong.write_text("no inputs")
    for options, code in (
        (["--network", str(tmp_path / "missing.npz")], 9),
        (["--network", str(network), "--inputs", str(wrong)], 9),
        (["--network", str(network), "--isa", "sse9"], 6),
    ):
        assert main(options) == code
        assert capsys.readouterr().err.count("\n") == 1
