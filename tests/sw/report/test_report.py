"""The page and README's table: what is there is shown, what is not is named, nothing is loaded."""

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from twofold.hw.boards import default, find
from twofold.hw.contract.errors import BoardError
from twofold.sw.cli.verbs import report as cli
from twofold.sw.errors import ArtefactError
from twofold.sw.report import card, readme
from twofold.sw.report.charts import KINDS, Bar, Group, bar_chart
from twofold.sw.report.inputs import VARIANTS, Inputs, collect
from twofold.sw.report.page import all_figures, render

ROOT = Path(__file__).parents[3]
EMPTY = Inputs()


def simulation(variant: str, cycles: float, **others: Any) -> dict[str, Any]:
    return {
        "net": "gsc", "variant": variant, "folding": "full", "samples": 200, "mismatches": 0,
        "failures": {}, "cycles_per_sample": cycles, "latency_cycles": round(5 * cycles),
        "multiplications": 300_000, "multiplications_dense": 13_912_400, "known": 200,
        "correct": 180, "accuracy": 0.9, "source": "test samples", **others,
    }  # fmt: skip


def row(engine: str, sparsity: str, rate: float | None, **others: Any) -> dict[str, Any]:
    return {
        "engine": engine, "version": "1", "precision": "int8", "sparsity": sparsity, "batch": 64,
        "threads": 1, "samples_per_second": rate, "spread": rate and [0.9 * rate, 1.1 * rate],
        "samples_per_core_second": rate, "logits_ok": rate is not None, "logits_error": 0.0,
        "joules_per_sample": None, "note": "" if rate else "wrong logits: far off", **others,
    }  # fmt: skip


def bench(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    facts = {"network": "gsc-dense", "source": "gsc-dense.npz", "weights": 100,
             "nonzero_weights": 5, "winners": []}  # fmt: skip
    return {
        "command": "twofold bench --quick", "when": "2026-01-01T00:00:00+00:00", "minutes": 2.0,
        "machine": {"cpu": "Abacus <9000>", "family_model_stepping": "6/1/1", "cores": 2,
                    "instruction_sets": ["avx2"], "virtual_machine": True, "memory_gib": 8.0,
                    "system": "Linux", "python": "3.11"},
        "load_before": 0.1, "energy": "not measured: no RAPL", "samples": "test samples",
        "settings": {"rounds": 3, "seconds": 0.1}, "networks": {"dense": facts},
        "rows": list(rows),
    }  # fmt: skip


@pytest.fixture
def full() -> Inputs:
    rows = [
        row("onnxruntime", "dense", 8000.0),
        row("onnxruntime", "dense", 4000.0, batch=1),
        row("twofold", "dense", 16000.0),
        row("twofold", "sparse-sparse", 80000.0, joules_per_sample=0.001),
        row("tvm", "dense", None),
    ]
    shares = {"lut": 0.58, "ff": 0.22, "bram36": 0.2, "uram": 0.6, "dsp": 0.5}
    taken = {"lut": 200_000, "ff": 150_000, "bram36": 100, "uram": 200, "dsp": 1500}
    area = {"network": "gsc-fast", "folding": "full", "share_of_slr": shares, **taken}
    return Inputs(
        bench(rows),
        {"dense": simulation("dense", 1500.0), "fast": simulation("fast", 104.0)},
        {"fast": area},
    )


class Links(HTMLParser):
    """Everything that a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "iframe", "img", "object"):
            self.found.append(tag)
        self.found += [str(value) for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in ("meta", "br", "line", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "circle"):
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass


@pytest.mark.parametrize("there", [True, False])
def test_page_is_well_formed_and_loads_nothing(full: Inputs, there: bool):
    page = render(full if there else EMPTY)
    links = Links()
    links.feed(page)
    assert (links.found, links.open) == ([], [])
    assert "url(" not in page
    assert "@import" not in page


def test_every_figure_without_data_says_what_is_missing():
    text = all_figures(EMPTY)
    assert len(text) == 10
    for figure in text:
        assert 'class="absent"' in figure or "published" in figure
        assert "twofold bench" in figure or "twofold sim" in figure or "twofold res" in figure
        assert not re.search(r'<i class="(measured|simulated|estimated)" style', figure)


def test_published_figures_are_of_speech_commands_only():
    assert "1,369,863" in render(EMPTY)
    page = render(Inputs(net="tiny"))
    assert "1,369,863" not in page
    assert page.count('class="absent"') == 10


def test_figures_show_the_figures(full: Inputs):
    page = render(full)
    for text in ("8,000 samples/s", "5.00x", "14.4x", "2,884,615 samples/s", "58.0 % (200,000)",
                 "104 cycles", "twofold bench --quick"):  # fmt: skip
        assert text in page, text
    for line in full.missing():
        assert line.partition("`")[0] in page


def test_kinds_are_told_apart_in_every_figure(full: Inputs):
    for figure in all_figures(full):
        used = set(re.findall(r'<i class="(\w+)" style', figure))
        used |= set(re.findall(r'<circle class="(\w+)"', figure))
        explained = set(re.findall(r'class="key"><i class="(\w+)"', figure))
        assert used == explained
        assert used <= KINDS.keys()


def test_strange_names_do_not_become_markup(full: Inputs):
    page = render(full)
    assert "Abacus &lt;9000&gt;" in page
    assert "Abacus <" not in page


def test_busy_machine_is_admitted(full: Inputs):
    assert full.bench is not None
    assert "The machine was busy" not in render(full)
    assert "busy when the processor was timed (load 7.5)" in render(
        replace(full, bench={**full.bench, "load_before": 7.5})
    )


def test_wrong_engine_is_listed_without_a_rate(full: Inputs):
    page = render(full)
    assert "TVM, dense int8: wrong logits: far off" in page
    assert "TVM 1" not in page


def test_bars_keep_to_one_scale():
    bars = [Bar("a", 10, "measured", "10"), Bar("b", 40, "measured", "40", (20, 50), mark=25)]
    chart = bar_chart([Group("", bars)])
    assert widths(chart) == [20.0, 80.0]
    assert "left:40.00%;width:60.00%" in chart
    assert 'class="mark" style="left:50.00%"' in chart
    bars = [Bar("a", 10, "measured", ""), Bar("b", 1000, "measured", "")]
    logarithmic = bar_chart([Group("", bars)], logarithmic=True)
    assert widths(logarithmic) == [pytest.approx(33.33), 100.0]


def widths(chart: str) -> list[float]:
    return [float(at) for at in re.findall(r'style="width:([\d.]+)%', chart)]


def test_card_is_bound_by_its_link():
    board = default()
    assert card.card_samples(board, 1000) == board.units * board.clock_mhz * 1e6 / 1000
    assert card.card_samples(board, 50) == pytest.approx(board.host.to_card / 1024)
    assert card.card_samples(find("u55c"), 1000) == pytest.approx(
        0.75 * card.card_samples(board, 1000)
    )
    ratio = card.PUBLISHED["sparse-sparse"].chip / card.PUBLISHED["dense"].chip
    assert ratio == pytest.approx(112, abs=0.5)


def test_collected_are_the_fastest_sound_simulations(tmp_path: Path):
    trees = {
        "sim.json": simulation("fast", 104.0, samples=10),
        "sim-all.json": simulation("fast", 104.0, samples=1563),
        "sim-small.json": simulation("fast", 1792.0, folding="small"),
        "sim-wrong.json": simulation("dense", 10.0, mismatches=3),
        "sim-failed.json": simulation("accurate", 10.0, failures={"stalls": "x"}),
        "sim-tiny.json": simulation("fast", 1.0, net="tiny"),
    }
    for name, tree in trees.items():
        (tmp_path / name).write_text(json.dumps(tree))
    found = collect(tmp_path)
    assert list(found.simulations) == ["fast"]
    assert found.simulations["fast"]["samples"] == 1563
    assert len(found.missing()) == 2 + 2 * len(VARIANTS) - 1


def test_dense_tiles_of_the_sparse_network_are_admitted(full: Inputs):
    row = {"sparsity": "sparse-sparse", "isa": "amx", "layer": "conv2", "kernel": "tiles",
           "microseconds": 5.4}  # fmt: skip
    text = "runs conv2 with amx as if it was dense"
    assert full.bench is not None
    assert text in render(replace(full, bench={**full.bench, "layers": [row]}))
    row["kernel"] = "lookup"
    page = render(replace(full, bench={**full.bench, "layers": [row]}))
    assert text not in page
    assert "winners with all kernels: sparse activations" in page


@pytest.mark.parametrize("watts", [100.0, None])
def test_only_a_real_card_counts_as_measured(tmp_path: Path, watts: float | None):
    """Devices in software have no power to tell."""
    rate = {"low": 4e6, "median": 5e6, "high": 6e6}
    tree = {"network": "gsc-fast", "units": 4, "samples_per_second": rate, "watts": watts,
            "samples_per_second_per_watt": watts and 5e6 / watts}  # fmt: skip
    (tmp_path / "time.json").write_text(json.dumps(tree))
    page = render(collect(tmp_path))
    assert ("5,000,000 samples/s, 50,000 samples/J" in page) is (watts is not None)
    assert ("on the card" in page) is (watts is not None)


def test_page_of_another_board(full: Inputs, tmp_path: Path):
    board = find("u55c")
    page = render(replace(full, board=board))
    assert "U55C, this machine, at 300 MHz" in page
    assert "one of the three super logic regions of a U55C" in page
    assert "all 9,024 DSP, 2 products each" in page
    assert "U250, this machine" not in page
    assert Inputs.from_json(replace(full, board=board).to_json()).board is board
    with pytest.raises(BoardError, match="choose one of"):
        cli.run(arguments("--build", str(tmp_path), "--board", "none"))


def test_areas_are_those_of_the_board(tmp_path: Path, full: Inputs):
    for name, lut in (("resources.json", 1), ("resources-u55c.json", 2)):
        tree = {"variants": {"fast": full.resources["fast"] | {"lut": lut}}}
        (tmp_path / name).write_text(json.dumps(tree))
    assert collect(tmp_path).resources["fast"]["lut"] == 1
    found = collect(tmp_path, board=find("u55c"))
    assert found.resources["fast"]["lut"] == 2
    assert all("--board u55c" in line for line in found.missing("area"))


@pytest.mark.parametrize("content", ["{", "[1]", "\0"])
def test_damaged_reports_are_refused(tmp_path: Path, content: str):
    (tmp_path / "bench.json").write_text(content)
    with pytest.raises(ArtefactError, match=r"bench\.json"):
        collect(tmp_path)


def arguments(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(options)


def test_command_writes_page_and_readme(tmp_path: Path, full: Inputs, monkeypatch):
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "sim.json").write_text(json.dumps(full.simulations["fast"]))
    (reports / "bench.json").write_text(json.dumps(full.bench))
    text = tmp_path / "README.md"
    text.write_text(f"before\n{readme.BEGIN}\nstale\n{readme.END}\nafter\n")
    monkeypatch.setattr(readme, "STORED", tmp_path / "results.json")
    assert cli.run(arguments("--build", str(tmp_path), "--readme", str(text))) == 0
    assert (reports / "report.html").read_text().startswith("<!doctype html>")
    new = text.read_text()
    assert "| sparse-sparse, fast: cycles a sample, latency | 104, 520 |" in new
    assert "| our CPU engine over the best other, one core | 10.0x |" in new
    assert "stale" not in new
    assert new.startswith("before\n")
    assert new.endswith("after\n")
    assert readme.replaced(new, readme.stored()) == new


def test_readme_without_markers_is_left_alone(tmp_path: Path, full: Inputs):
    text = tmp_path / "README.md"
    text.write_text("nothing\n")
    with pytest.raises(ArtefactError, match="no table of results"):
        readme.update(text, full)
    assert text.read_text() == "nothing\n"


def test_readme_of_the_project_is_in_step_with_its_figures():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.replaced(text, readme.stored()) == text
