"""Engines in their own processes: right logits are timed, everything else is reported."""

import os
import signal
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from twofold.sw.bench.measure import Settings, compare, measure
from twofold.sw.bench.process import DiedError, EngineProcess
from twofold.sw.bench.subjects import Subject

SHORT = Settings((1, 8), (), (1,), rounds=2, seconds=0.01, tuning=0, load_seconds=300)


def silent(_step: str, _done: int, _total: int) -> None: ...


def rows_of(name: str, subjects: list[Subject], folder: Path, settings: Settings = SHORT):
    with EngineProcess(name, folder / "log") as engine:
        return measure([engine], subjects, settings, folder, silent)


OPTIONAL = {"openvino": "openvino", "litert": "ai_edge_litert"}
"""Packages of engines that may be missing."""


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "litert", "pytorch", "twofold"])
def test_right_engines_are_timed(name: str, subjects: dict[str, Subject], tmp_path: Path):
    if name in OPTIONAL and find_spec(OPTIONAL[name]) is None:
        pytest.skip(f"{name} is not installed")
    rows = rows_of(name, list(subjects.values()), tmp_path)
    whole = [row for row in rows if row["precision"] == "int8"]
    assert {row["sparsity"] for row in whole} == {"dense", "pruned", "sparse-sparse"}
    for row in whole:
        assert row["logits_ok"] is True, row
        assert row["logits_error"] == 0.0 or row["sparsity"] == "sparse-sparse"
        low, high = row["spread"]
        assert 0 < low <= row["samples_per_second"] <= high
    floats = [row for row in rows if row["precision"] == "fp32"]
    assert [row["samples_per_second"] is None for row in floats] == [name == "twofold"] * 4


def test_wrong_logits_are_reported_and_not_timed(subjects: dict[str, Subject], tmp_path: Path):
    right = subjects["dense"].logits
    wrong = {**right, "int8": np.roll(right["int8"], 1, axis=0)}
    rows = rows_of("onnxruntime", [replace(subjects["dense"], logits=wrong)], tmp_path)
    for row in rows:
        bad = row["precision"] == "int8"
        assert row["logits_ok"] is not bad
        assert (row["samples_per_second"] is None) is bad
        assert row["note"].startswith("wrong logits") is bad


def test_silent_fallback_is_refused(subjects: dict[str, Subject], tmp_path: Path):
    """A model in floating point that passes for int8."""
    dense = subjects["dense"]
    swapped = replace(
        dense,
        models={"int8": dense.models["fp32"]},
        inputs={"int8": dense.inputs["fp32"]},
        logits={"int8": dense.logits["fp32"]},
    )
    for row in rows_of("onnxruntime", [swapped], tmp_path):
        assert row["note"].startswith("falls back to floating point in conv1")
        assert row["samples_per_second"] is None


def test_sweep_keeps_one_batch_of_each_case(subjects: dict[str, Subject], tmp_path: Path):
    settings = replace(SHORT, batches=(1,), sweep=(2, 64))
    rows = rows_of("twofold", [subjects["dense"], subjects["fast"]], tmp_path, settings)
    timed = [row for row in rows if row["samples_per_second"] is not None]
    swept = [row["sparsity"] for row in timed if row["batch"] in settings.sweep]
    assert swept == ["dense", "sparse-sparse"]
    assert [row["batch"] for row in timed[:2]] == [1, 1]


def test_process_that_dies_is_started_again(subjects: dict[str, Subject], tmp_path: Path):
    dense = subjects["dense"]
    job = {
        "network": "dense", "precision": "int8", "batch": 2, "threads": 1, "model": "",
        "operators": "", "artefact": str(dense.artefact), "cache": "", "tuning": 0,
    }  # fmt: skip
    with EngineProcess("twofold", tmp_path / "log") as engine:
        for key in (1, 2):
            assert "logits" in engine.load(key, job, dense.inputs["int8"], 300)
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(DiedError, match="signal 9"):
            engine.repeat(1, 0.01, 300)
        assert engine.repeat(2, 0.01, 300)["samples"] >= 2


def test_engine_that_is_not_installed_says_so(subjects: dict[str, Subject], tmp_path: Path):
    with EngineProcess("deepsparse", tmp_path / "log") as engine:
        rows = measure([engine], [subjects["dense"]], SHORT, tmp_path, silent)
    assert {row["note"] for row in rows} == {
        "not installed (needs the Python package 'deepsparse')"
    }


@pytest.mark.parametrize(
    ("found", "error", "agreement"),
    [
        ([[1.0, 3.0], [3.0, 1.0]], 0.0, 1.0),
        ([[3.0, 1.0], [3.0, 1.0]], 1.0, 0.5),
        ([[1.0, np.nan], [3.0, 1.0]], np.inf, 0.0),
        ([[1.0, 3.0]], np.inf, 0.0),
    ],
)
def test_comparison_of_logits(found: list[list[float]], error: float, agreement: float):
    assert compare(np.array(found), np.array([[1.0, 3.0], [3.0, 1.0]])) == (error, agreement)
