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
from PIL import Image

from twofold.hw.boards import default, find
from twofold.hw.contract.errors import BoardError
from twofold.sw.cli.verbs import report as cli
from twofold.sw.errors import ArtefactError
from twofold.sw.report import card, opening, picture, readme
from twofold.sw.report.charts import KINDS, Group, Value, bar_chart, dot_chart
from twofold.sw.report.equal import contenders, distance, is_equal
from twofold.sw.report.inputs import VARIANTS, Inputs, collect
from twofold.sw.report.page import all_figures, render
from twofold.sw.report.speeds import speeds

ROOT = Path(__file__).parents[3]
EMPTY = Inputs()
NETWORKS = {"dense": "gsc-dense", "pruned": "gsc-pruned", "sparse-sparse": "gsc-fast"}
SHARES = {"gsc-dense": (0.94, 0.96), "gsc-pruned": (0.93, 0.95), "gsc-fast": (0.91, 0.94)}


def known(network: str) -> dict[str, Any]:
    test, val = SHARES[network]
    return {"test": test, "val": val, "digest": network, "data": "test samples"}


def simulation(variant: str, cycles: float, **others: Any) -> dict[str, Any]:
    return {
        "net": "gsc", "variant": variant, "network": f"gsc-{variant}",
        "folding": "full", "samples": 200, "mismatches": 0,
        "failures": {}, "cycles_per_sample": cycles, "latency_cycles": round(5 * cycles),
        "multiplications": 300_000, "multiplications_dense": 13_912_400, "known": 200,
        "correct": 180, "accuracy": 0.9, "source": "test samples", **others,
    }  # fmt: skip


def row(engine: str, sparsity: str, rate: float | None, **others: Any) -> dict[str, Any]:
    return {
        "engine": engine, "version": "1", "precision": "int8", "sparsity": sparsity,
        "network": NETWORKS[sparsity], "batch": 64,
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
        "accuracies": {name: known(name) for name in SHARES},
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
    assert page.count('class="absent"') == 10 + 1  # the first chart


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
        explained = set(re.findall(r'class="key"><i class="(\w+)"></i>', figure))
        explained -= {"swatch"}
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
    assert "TVM, gsc-dense int8: wrong logits: far off" in page
    assert "TVM 1" not in page


def test_bars_keep_to_one_scale():
    bars = [Value("a", 10, "measured", "10"), Value("b", 40, "measured", "40", (20, 50), mark=25)]
    chart = bar_chart([Group("", bars)])
    assert widths(chart) == [20.0, 80.0]
    assert "left:40.00%;width:60.00%" in chart
    assert 'class="mark" style="left:50.00%"' in chart


def test_dots_keep_to_powers_of_ten():
    dots = [
        Value("a", 10, "measured", ""),
        Value("b", 100, "simulated", "", beyond=(1000, "assumed")),
    ]
    chart = dot_chart([Group("", dots)])
    places = re.findall(r'<i class="(\w+)" style="left:([\d.]+)%', chart)
    assert places == [("measured", "0.00"), ("assumed", "100.00"), ("simulated", "50.00")]
    assert 'class="reach" style="left:50.00%;width:50.00%"' in chart
    assert re.findall(r"%\">([^<]+)</span>", chart) == ["10", "100", "1 k"]
    assert 'style="width:' not in chart


@pytest.mark.parametrize("values", [[], [0.0], [3.0], [1e-7, 1e12]])
def test_dots_have_an_axis_whatever_the_values(values: list[float]):
    chart = dot_chart([Group("", [Value("a", value, "measured", "") for value in values])])
    places = [float(at) for at in re.findall(r"left:([\d.]+)%", chart)]
    assert all(0 <= at <= 100 for at in places)
    assert 2 <= chart.count('class="tick') <= 6


def widths(chart: str) -> list[float]:
    return [float(at) for at in re.findall(r'style="width:([\d.]+)%', chart)]


def test_card_is_bound_by_its_link():
    board = default()
    assert card.card_samples(board, 1000) == board.units * board.clock_mhz * 1e6 / 1000
    assert card.card_samples(board, 50) == pytest.approx(board.host.to_card / 1024)
    alone = replace(board, regions=board.regions[:1])
    assert card.card_samples(board, 1000) == board.units * card.card_samples(alone, 1000)
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
        "sim-quick.json": simulation("sparse-dense", 1.0, folding="small"),
    }
    for name, tree in trees.items():
        (tmp_path / name).write_text(json.dumps(tree))
    found = collect(tmp_path)
    assert list(found.simulations) == ["fast"]
    assert found.simulations["fast"]["samples"] == 1563
    assert len(found.missing()) == 3 + 2 * len(VARIANTS) - 1


def test_dense_tiles_of_the_sparse_network_are_admitted(full: Inputs):
    row = {"sparsity": "sparse-sparse", "network": "gsc-fast", "isa": "amx", "layer": "conv2",
           "kernel": "tiles", "microseconds": 5.4}  # fmt: skip
    text = "gsc-fast&#x27;s conv2 with amx runs as if it was dense"
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


def with_accuracy(inputs: Inputs, **shares: tuple[float | None, float | None]) -> Inputs:
    """The same with other accuracies, test and val."""
    assert inputs.bench is not None
    accuracies = dict(inputs.bench["accuracies"])
    for variant, (test, val) in shares.items():
        accuracies[f"gsc-{variant}"] = {**known("gsc-dense"), "test": test, "val": val}
    return replace(inputs, bench={**inputs.bench, "accuracies": accuracies})


@pytest.mark.parametrize(
    ("test", "val", "equal"),
    [(0.935, 0.955, True), (0.95, 0.97, True), (0.934, 0.96, False), (0.94, 0.954, False),
     (None, 0.955, True), (None, None, False)],
)  # fmt: skip
def test_equal_is_within_half_a_point_on_both_splits(full: Inputs, test, val, equal: bool):
    found = with_accuracy(full, fast=(test, val))
    assert is_equal(found, "gsc-fast") is equal
    assert (distance(found, "gsc-fast") == "within half a point") is equal


def test_contenders_are_of_equal_accuracy_or_the_closest(full: Inputs):
    found = with_accuracy(full, fast=(0.91, 0.94), accurate=(0.938, 0.957))
    assert contenders(found, ["gsc-fast", "gsc-accurate"]) == ["gsc-accurate"]
    apart = with_accuracy(full, fast=(0.91, 0.94), accurate=(0.92, 0.95))
    assert contenders(apart, ["gsc-fast", "gsc-accurate"]) == ["gsc-accurate"]
    assert distance(apart, "gsc-accurate") == "2.0 points below"
    assert contenders(EMPTY, ["a", "b"]) == ["a", "b"]


def test_a_faster_network_of_less_accuracy_is_not_compared(full: Inputs):
    """The first chart takes the accurate network though the other one is faster."""
    slow = {**simulation("accurate", 300.0), "network": "gsc-accurate"}
    both = replace(full, simulations={**full.simulations, "accurate": slow})
    found = with_accuracy(both, accurate=(0.938, 0.957))
    machine = speeds(found)[-1]
    assert (machine.network, machine.rate) == ("gsc-accurate", 1_000_000.0)
    assert "at equal accuracy" not in opening.chart(found)  # others are still apart
    equal = with_accuracy(found, fast=(0.938, 0.957), pruned=(0.94, 0.96))
    assert speeds(equal)[-1].network == "gsc-fast"
    assert "Words a second at equal accuracy" in opening.chart(equal)


def test_every_comparison_names_accuracies(full: Inputs):
    for figure in all_figures(full)[:9]:  # the last one compares areas
        if 'class="absent"' not in figure:
            assert re.search(r"9\d\.00 / 9\d\.00 %|published", figure), figure[:100]
    for row in opening.ratios(full).rows:
        assert all("94.00 / 96.00 %" in cell or "91.00 / 94.00 %" in cell for cell in row[2:])


def test_simulation_of_another_network_than_was_timed_is_left_out(tmp_path: Path, full: Inputs):
    (tmp_path / "bench.json").write_text(json.dumps(full.bench))
    for name, digest in (("fast", "gsc-fast"), ("dense", "other")):
        tree = {**simulation(name, 100.0), "network_accuracy": {"digest": digest}}
        (tmp_path / f"sim-{name}.json").write_text(json.dumps(tree))
    found = collect(tmp_path)
    assert list(found.simulations) == ["fast"]
    assert any("of the network that was timed" in line for line in found.missing("simulation"))


def test_timings_without_accuracies_are_made_again(tmp_path: Path, full: Inputs):
    assert full.bench is not None
    older = {name: value for name, value in full.bench.items() if name != "accuracies"}
    (tmp_path / "bench.json").write_text(json.dumps(older))
    found = collect(tmp_path)
    assert found.bench is None
    assert "no timings of the processor: run `twofold bench`" in found.missing()


def test_accuracy_comes_with_the_simulation_where_nothing_was_timed():
    tree = {**simulation("fast", 100.0), "network_accuracy": known("gsc-fast")}
    assert Inputs(simulations={"fast": tree}).accuracy("gsc-fast")["val"] == 0.94
    assert Inputs().accuracy("gsc-fast")["val"] is None


def project(folder: Path) -> Path:
    """A README with everything beside it that is made of results."""
    text = folder / "README.md"
    text.write_text(f"before\n{readme.BEGIN}\nstale\n{readme.END}\nafter\n")
    (folder / readme.PICTURES).mkdir(parents=True)
    (folder / readme.RESULTS).write_text(f"{readme.BEGIN}\n{readme.END}\n")
    return text


def test_command_writes_page_and_texts(tmp_path: Path, full: Inputs, monkeypatch):
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "sim.json").write_text(json.dumps(full.simulations["fast"]))
    (reports / "bench.json").write_text(json.dumps(full.bench))
    text = project(tmp_path)
    monkeypatch.setattr(readme, "STORED", tmp_path / "results.json")
    assert cli.run(arguments("--build", str(tmp_path), "--readme", str(text))) == 0
    assert (reports / "report.html").read_text().startswith("<!doctype html>")
    new = text.read_text()
    table = [line for line in new.splitlines() if line.startswith("|")]
    assert len(table) <= 2 + 5
    assert "300,000 of 13,912,400, 1/46 | gsc-fast: 91.00 / 94.00 %" in new
    assert "80,000 words/s, 10.0x ONNX Runtime with gsc-dense" in new
    assert "stale" not in new
    assert new.startswith("before\n") and new.endswith("after\n")
    assert "| gsc-fast | 91.00 / 94.00 % | Twofold |" in (tmp_path / readme.RESULTS).read_text()
    for path, made in readme.pages(text, readme.stored()).items():
        assert path.read_text() == made
    for theme in picture.THEMES:
        path = tmp_path / readme.PICTURES / f"speed-{theme.name}.png"
        assert shown(path) == picture.figures_digest(readme.stored())


def shown(path: Path) -> str:
    """Digest of the figures that a chart shows."""
    with Image.open(path) as image:
        assert min(image.size) > 100
        return str(image.info[picture.SHOWS])


def test_files_without_markers_are_left_alone(tmp_path: Path, full: Inputs, monkeypatch):
    monkeypatch.setattr(readme, "STORED", tmp_path / "results.json")
    text = project(tmp_path)
    (tmp_path / readme.RESULTS).write_text("nothing\n")
    with pytest.raises(ArtefactError, match=r"results\.md has no place for results"):
        readme.update(text, full)
    assert "stale" in text.read_text()
    assert not (tmp_path / "results.json").exists()


def test_texts_of_the_project_are_in_step_with_their_figures():
    pages = readme.pages(ROOT / "README.md", readme.stored())
    assert list(pages) == [ROOT / "README.md", ROOT / readme.RESULTS]
    for path, made in pages.items():
        assert path.read_text(encoding="utf-8") == made


def test_charts_of_the_project_show_its_figures():
    wanted = picture.figures_digest(readme.stored())
    for theme in picture.THEMES:
        assert shown(ROOT / readme.PICTURES / f"speed-{theme.name}.png") == wanted


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("bench", {"rows": "none"}, r"rows is 'none', needs a list"),
        ("bench", {"networks": []}, r"networks is \[\], needs an object"),
        ("bench", {"machine": {}}, r"machine has no \w+"),
        ("bench", {"rows": [{}]}, r"rows\[0\] has no engine"),
        ("bench", {"minutes": float("nan")}, r"minutes is nan, needs a number"),
        ("sim", {"cycles_per_sample": 0}, r"cycles_per_sample is 0, needs a number from 1"),
        ("sim", {"latency_cycles": True}, r"latency_cycles is True"),
        ("sim", {"network": None}, r"network is None, needs a text"),
        ("sim", {"known": "many"}, r"known is 'many'"),
        ("resources", {"variants": 7}, r"variants is 7, needs an object"),
        ("resources", {"variants": {"fast": {"network": "gsc-fast"}}}, r"variants\.fast has no"),
        ("time", {"network": "gsc-fast", "watts": 9.0, "units": -1}, r"units is -1"),
    ],
)
def test_damaged_reports_are_named(tmp_path: Path, name: str, change: dict[str, Any], says: str):
    trees = {"bench": bench([]), "sim": simulation("fast", 88.0), "resources": {}, "time": {}}
    (tmp_path / f"{name}.json").write_text(json.dumps(trees[name] | change))
    with pytest.raises(ArtefactError, match=rf"{name}\.json: .*{says}.*make it again|{says}"):
        collect(tmp_path)
