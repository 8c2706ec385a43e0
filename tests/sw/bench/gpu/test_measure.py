"""Rows of engines on a GPU, with engines on the processor that say they are one."""

import io
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from rich.console import Console

from twofold.sw.bench import worker as workers
from twofold.sw.bench.engines.pytorch_cuda import PyTorchCuda
from twofold.sw.bench.gpu import measure as gpu
from twofold.sw.bench.gpu.sessions import Provider, Sessions
from twofold.sw.bench.job import Engine
from twofold.sw.bench.measure import Settings
from twofold.sw.bench.process import EngineProcess
from twofold.sw.bench.show import show
from twofold.sw.bench.subjects import Subject
from twofold.sw.bench.worker import WARM_UP, Worker

CARD = "Abacus 9000"
SHORT = Settings((1, 8), (), (1, 2), rounds=2, seconds=0.01, tuning=5)


class Inside:
    """An engine's process, without the process."""

    missing = ""

    def __init__(self, name: str, engine: Engine) -> None:
        self.name, self.version, self.device = name, engine.version, CARD
        self._worker = Worker(name)
        self._worker._engine = engine

    def load(self, key: int, job: dict[str, Any], inputs: Path, _: float) -> dict[str, Any]:
        return self._worker.answer({"do": "load", "id": key, "job": job, "inputs": str(inputs)})

    def repeat(self, key: int, seconds: float, _: float) -> dict[str, Any]:
        return self._worker.answer({"do": "repeat", "id": key, "seconds": seconds})

    def drop(self, key: int) -> None:
        self._worker.answer({"do": "drop", "id": key})


def silent(_step: str, _done: int, _total: int) -> None: ...


def measured(
    subjects: dict[str, Subject], folder: Path, *engines: Inside
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    chosen = [subjects["dense"], subjects["fast"]]
    processes = cast(list[EngineProcess], list(engines))
    return gpu.measure_gpu(processes, chosen, SHORT, folder, folder, silent)


@pytest.fixture(autouse=True)
def few_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gpu, "BATCHES", (1, 32))


def test_rows_name_the_card(subjects: dict[str, Subject], tmp_path: Path):
    sessions = Sessions(Provider("CPUExecutionProvider"), CARD, np.copy)
    rows, facts = measured(
        subjects,
        tmp_path,
        Inside("pytorch_cuda", PyTorchCuda("cpu")),
        Inside("onnxruntime_cuda", sessions),
    )
    timed = [row for row in rows if row["samples_per_second"] is not None]
    cases = {(row["engine"], row["network"], row["precision"], row["batch"]) for row in timed}
    assert cases == {
        *(("pytorch_cuda", "tiny-dense", kind, at) for kind in ("fp32", "fp16") for at in (1, 32)),
        *(("onnxruntime_cuda", "tiny-dense", kind, at)
          for kind in ("fp32", "fp16", "int8") for at in (1, 32)),
        *(("onnxruntime_cuda", "tiny-fast", "int8", at) for at in (1, 32)),
    }  # fmt: skip
    for row in timed:
        assert row["logits_ok"] is True
        assert (row["device"], row["threads"]) == (CARD, None)
        assert row["samples_per_core_second"] is None
        assert row["joules_per_sample"] is None
        low, high = row["spread"]
        assert 0 < low <= row["samples_per_second"] <= high
    notes = {(row["network"], row["note"]) for row in rows if row["samples_per_second"] is None}
    assert {network for network, _ in notes} == {"tiny-dense", "tiny-fast"}
    assert all("no quantized convolutions" in note for _, note in notes)
    assert facts["gpu"]["settings"]["batches"] == (1, 32)
    assert facts["gpu"]["settings"]["threads"] == (1,)


def test_without_engines_there_is_nothing(subjects: dict[str, Subject], tmp_path: Path):
    assert measured(subjects, tmp_path) == ([], {})
    assert list(tmp_path.iterdir()) == []


def test_larger_batches_than_on_the_processor(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    quick = gpu.settings_on_gpu(SHORT)
    assert (min(quick.batches), max(quick.batches), quick.sweep) == (1, 4096, ())
    whole = gpu.settings_on_gpu(Settings((1,), (4,), (1,), rounds=1, seconds=1, tuning=9))
    assert whole.sweep == (16, 256, 1024)


class Counting:
    """A run with memory of its own, which counts its calls."""

    def __init__(self) -> None:
        self.calls: list[bool] = []
        self.memory = np.zeros(0)

    def placed(self, inputs: np.ndarray) -> np.ndarray:
        self.memory = inputs.copy()
        return self.memory

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        self.calls.append(inputs is self.memory)
        return inputs


def test_devices_are_warmed_up_and_timed_from_their_memory():
    run, inputs = Counting(), np.ones((2, 3))
    placed = workers._placed(run, inputs)
    assert placed is run.memory
    assert run.calls == [True] * WARM_UP
    assert workers._repeat(workers._Loaded(run, placed), 0.0)["samples"] == 2
    assert run.calls == [True] * (WARM_UP + 2)
    assert workers._placed(lambda inputs: inputs, inputs) is inputs


def shown(*rows: dict[str, Any]) -> str:
    text = io.StringIO()
    machine = {"cpu": "a processor", "cores": 2, "instruction_sets": []}
    report = {"machine": machine, "samples": "noise", "load_before": 0, "rows": list(rows)}
    show(report, Console(file=text, width=120))
    return text.getvalue()


def test_terminal_shows_the_card_in_a_table_of_its_own():
    row = {"network": "a", "accuracy": {"test": 0.9}, "precision": "int8", "engine": "twofold",
           "batch": 64, "threads": 2, "samples_per_second": 1234.0, "spread": [1000.0, 2000.0],
           "samples_per_core_second": 617.0, "note": ""}  # fmt: skip
    card = {**row, "engine": "pytorch_cuda", "precision": "fp16", "threads": None, "device": CARD,
            "samples_per_core_second": None, "samples_per_second": 56789.0}  # fmt: skip
    before, both = shown(row), shown(row, card)
    assert both.startswith(before)
    for text in ("PyTorch CUDA", CARD, "fp16", "56,789"):
        assert text in both.removeprefix(before)
        assert text not in before
    assert "GPU" not in before
