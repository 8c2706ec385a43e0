"""Timings of a GPU: shown with its name, and compared with nothing that is a core or a unit."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from twofold.sw.errors import ArtefactError
from twofold.sw.report import gpu, opening, picture, readme, summary, tables
from twofold.sw.report.inputs import Inputs, collect
from twofold.sw.report.page import all_figures, render
from twofold.sw.report.speeds import speeds

CARD = "NVIDIA Abacus <80GB>"
SHARES = {"gsc-dense": (0.94, 0.96), "gsc-pruned": (0.93, 0.95), "gsc-fast": (0.938, 0.957)}
SPARSITY = {"gsc-dense": "dense", "gsc-pruned": "pruned", "gsc-fast": "sparse-sparse"}


def timing(engine: str, network: str, rate: float, **others: Any) -> dict[str, Any]:
    test, val = SHARES[network]
    return {
        "engine": engine, "version": "1", "precision": "int8", "sparsity": SPARSITY[network],
        "network": network, "accuracy": {"test": test, "val": val}, "batch": 64, "threads": 1,
        "samples_per_second": rate, "spread": [0.9 * rate, 1.1 * rate],
        "samples_per_core_second": rate, "logits_ok": True, "logits_error": 0.0,
        "joules_per_sample": None, "note": "", **others,
    }  # fmt: skip


def on_gpu(engine: str, network: str, rate: float, **others: Any) -> dict[str, Any]:
    card = {"precision": "fp16", "batch": 4096, "threads": None, "device": CARD}
    return timing(engine, network, rate, samples_per_core_second=None, **{**card, **others})


PROCESSOR = [
    timing("onnxruntime", "gsc-dense", 8000.0, batch=1),
    timing("onnxruntime", "gsc-dense", 9000.0, precision="fp32"),
    timing("twofold", "gsc-dense", 16000.0),
    timing("openvino", "gsc-pruned", 10000.0, precision="fp32"),
    timing("twofold", "gsc-fast", 80000.0, batch=1),
    timing("twofold", "gsc-fast", 99000.0, threads=2),
]
GPU = [
    on_gpu("pytorch_cuda", "gsc-dense", 1e6),
    on_gpu("onnxruntime_tensorrt", "gsc-dense", 2e6),
    on_gpu("onnxruntime_cuda", "gsc-dense", 5e4, batch=1, precision="fp32"),
    on_gpu("pytorch_cuda", "gsc-pruned", 1.5e6),
    on_gpu("pytorch_cuda", "gsc-fast", 0.0, samples_per_second=None, spread=None,
           note="has no quantized convolutions"),
]  # fmt: skip


def bench(*rows: dict[str, Any], **others: Any) -> dict[str, Any]:
    """A made-up ``bench.json``."""
    facts = {"network": "gsc-dense", "source": "gsc-dense.npz", "weights": 100,
             "nonzero_weights": 5, "winners": []}  # fmt: skip
    return {
        "command": "twofold bench --quick", "when": "2026-01-01T00:00:00+00:00", "minutes": 2.0,
        "machine": {"cpu": "Abacus", "family_model_stepping": "6/1/1", "cores": 2,
                    "instruction_sets": ["avx2"], "virtual_machine": True, "memory_gib": 8.0,
                    "system": "Linux", "python": "3.11"},
        "load_before": 0.1, "energy": "not measured: no RAPL", "samples": "test samples",
        "settings": {"rounds": 3, "seconds": 0.1}, "networks": {"dense": facts},
        "accuracies": {
            name: {"test": test, "val": val, "digest": name, "data": "test samples"}
            for name, (test, val) in SHARES.items()
        },
        "rows": list(rows), **others,
    }  # fmt: skip


SIMULATION = {
    "net": "gsc", "variant": "fast", "network": "gsc-fast", "folding": "full", "samples": 200,
    "mismatches": 0, "failures": {}, "cycles_per_sample": 104.0, "latency_cycles": 520,
    "multiplications": 300_000, "multiplications_dense": 13_912_400,
}  # fmt: skip
FACTS = {"cards": [CARD], "cuda": "13.0", "settings": {}}


def collected(folder: Path, tree: dict[str, Any]) -> Inputs:
    folder.mkdir()
    (folder / "bench.json").write_text(json.dumps(tree))
    (folder / "sim.json").write_text(json.dumps(SIMULATION))
    return collect(folder)


@pytest.fixture
def without(tmp_path: Path) -> Inputs:
    return collected(tmp_path / "without", bench(*PROCESSOR))


@pytest.fixture
def beside(tmp_path: Path) -> Inputs:
    return collected(tmp_path / "beside", bench(*PROCESSOR, *GPU, gpu=FACTS))


class Texts(HTMLParser):
    """The text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def test_without_a_gpu_nothing_speaks_of_one(without: Inputs):
    made = [render(without), summary.results(without), summary.opening_rows(without).markdown()]
    assert not any("GPU" in text or "CUDA" in text or "TF32" in text for text in made)
    assert len(all_figures(without)) == 10
    assert not any("device" in json.dumps(row) for row in without.rows)
    assert without.gpu_rows == []


def test_no_comparison_changes_with_a_gpu(without: Inputs, beside: Inputs):
    assert beside.rows == without.rows
    assert all_figures(beside)[:10] == all_figures(without)
    assert opening.ratios(beside) == opening.ratios(without)
    assert opening.ratios(without).rows
    assert opening.tiles(beside) == opening.tiles(without)
    assert summary.opening_rows(beside) == summary.opening_rows(without)
    assert summary.timings(beside) == summary.timings(without)
    assert tables.extrapolation(beside) == tables.extrapolation(without)
    assert opening.accuracies(beside) == opening.accuracies(without)
    assert [speed for speed in speeds(beside) if not speed.gpu] == speeds(without)


def test_figure_and_tables_name_the_card(beside: Inputs):
    figure = all_figures(beside)[10]
    texts = Texts(figure).found
    assert "10. Networks on a GPU" in texts
    assert f"{CARD}, ONNX Runtime TensorRT, batch 4096" in texts
    assert f"{CARD}, ONNX Runtime CUDA, batch 1" in texts
    assert "2,000,000 samples/s" in texts
    assert "gsc-dense, 94.00 / 96.00 %, fp16" in texts
    rows = gpu.table(beside).rows
    assert [row[-1] for row in rows] == ["1,000,000", "2,000,000", "50,000", "1,500,000"]
    assert {row[2] for row in rows} == {CARD}
    page = Texts(render(beside)).found
    assert "GPU: every configuration" in page
    assert f"{CARD}; CUDA of its driver: 13.0" in page
    assert "PyTorch CUDA, gsc-fast fp16: has no quantized convolutions" in page
    results = summary.results(beside)
    assert "### A GPU, measured" in results
    line = f"| gsc-pruned | 93.00 / 95.00 % | {CARD} | PyTorch CUDA | fp16 | 4096 | 1,500,000 |"
    assert line in results


def test_first_chart_has_the_fastest_of_each_kind(beside: Inputs):
    found = [speed for speed in speeds(beside) if speed.gpu]
    assert [(speed.network, speed.rate, speed.whole) for speed in found] == [
        ("gsc-dense", 2e6, 2e6), ("gsc-pruned", 1.5e6, 1.5e6)
    ]  # fmt: skip
    assert {(speed.gpu, speed.own, speed.unit) for speed in found} == {(CARD, False, "one GPU")}
    texts = Texts(opening.chart(beside)).found
    assert f"{CARD}, ONNX Runtime TensorRT: gsc-dense (94.00 / 96.00 %), fp16, batch 4096" in texts
    assert "2,000,000/s" in texts
    assert any(opening.WHOLE_GPU in text for text in texts)
    cells = [row[-2:] for row in summary.first_chart(beside).rows if CARD in row[1]]
    assert cells[0] == ("2,000,000 (one GPU, measured)", "-")


def test_picture_shows_the_gpu(without: Inputs, beside: Inputs, tmp_path: Path):
    assert picture.figures_digest(beside) != picture.figures_digest(without)
    paths = []
    for name, inputs in (("without", without), ("beside", beside)):
        folder = tmp_path / f"{name}-pictures"
        folder.mkdir()
        paths.append(picture.draw(inputs, folder, picture.THEMES[0]))
    assert paths[0].read_bytes() != paths[1].read_bytes()


@pytest.mark.parametrize("there", [True, False])
def test_stored_figures_make_the_same_texts(beside: Inputs, without: Inputs, there: bool):
    inputs = beside if there else without
    again = Inputs.from_json(json.loads(json.dumps(readme._needed(inputs))))
    assert summary.results(again) == summary.results(inputs)
    assert summary.opening_rows(again) == summary.opening_rows(inputs)
    assert picture.figures_digest(again) == picture.figures_digest(inputs)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"device": None}, r"rows\[0\]\.device is None, needs a text"),
        ({"batch": 0}, r"rows\[0\]\.batch is 0"),
        ({"engine": "pytorch"}, r"rows\[0\]\.threads is None, needs a number"),
    ],
)
def test_timings_of_unknown_devices_are_refused(tmp_path: Path, change: dict, says: str):
    with pytest.raises(ArtefactError, match=says):
        collected(tmp_path / "reports", bench({**GPU[0], **change}))


def test_a_gpu_alone(beside: Inputs):
    assert beside.bench is not None
    alone = replace(beside, bench={**beside.bench, "rows": GPU})
    assert opening.ratios(alone).rows == []
    assert "10. Networks on a GPU" in render(alone)
