"""Ten digits beside twelve words: which measurements count, and what is said of them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from twofold.sw.errors import ArtefactError
from twofold.sw.report import digits, readme
from twofold.sw.report.inputs import Inputs, collect
from twofold.sw.report.page import render
from twofold.sw.report.summary import opening_rows, results

CLIPS = {"test": 65, "val": 275}


def evaluation(variant: str, split: str, correct: int, **others: Any) -> dict[str, Any]:
    """What ``twofold eval --json`` prints, as far as it is used."""
    clips = CLIPS[split]
    return {
        "network": f"digits10-{variant}", "digest": f"{variant}-a", "split": split,
        "source": f"Google Speech Commands, {split} split", "backend": "golden",
        "clips": clips, "correct": correct, "interval95": [0.85, 0.98],
        "per_class": {"zero": {"clips": clips - 3, "correct": correct - 3, "recall": 0.9},
                      "nine": {"clips": 3, "correct": 3, "recall": 1.0}},
        "mismatches_vs_golden": 0, **others,
    }  # fmt: skip


def simulation(variant: str, **others: Any) -> dict[str, Any]:
    return {
        "network": f"digits10-{variant}", "machine": f"digits10-{variant}-100", "samples": 65,
        "mismatches": 0, "failures": {}, "cycles_per_sample": 100.25, "latency_cycles": 668,
        "network_accuracy": {"test": 0.9, "val": 0.9, "data": "recorded", "digest": f"{variant}-a"},
        **others,
    }  # fmt: skip


def write(folder: Path, trees: Sequence[dict[str, Any]], kind: str = "eval") -> None:
    for at, tree in enumerate(trees):
        (folder / f"{kind}-{at}.json").write_text(json.dumps(tree))


@pytest.fixture
def both(tmp_path: Path) -> Inputs:
    """Dense and fast, measured and the latter simulated."""
    right = {"dense": (62, 268), "fast": (60, 270)}
    trees = [
        evaluation(variant, split, count)
        for variant, counts in right.items()
        for split, count in zip(("test", "val"), counts, strict=True)
    ]
    write(tmp_path, trees)
    write(tmp_path, [simulation("fast")], "sim")
    return collect(tmp_path)


def test_both_tasks_stand_side_by_side(both: Inputs):
    assert list(both.digits) == ["dense", "fast"]
    dense, fast, measured = digits.table(both).rows
    assert dense[2:4] == ("95.38 / 97.45 %", "itself")
    assert fast[2:4] == ("92.31 / 98.18 %", "-2 / +2 clips")
    assert fast[4] == "85.0 to 98.0 %"
    assert measured[2] == "65 / 275 clips, int8"
    assert "A clip of test is 1.5 points" in digits.remark(both)
    assert "a word has 3 to 62 clips in test, 3 to 272 in val." in digits.remark(both)
    assert dense[5] == "97.58 / 98.71 %", "(59 / 62 + 3 / 3) / 2, (265 / 272 + 3 / 3) / 2"
    ((*_, figure, clips, how),) = opening_rows(both).rows
    assert figure == "dense 95.38 / 97.45 %, fast 92.31 / 98.18 %"
    assert (clips, how) == ("65 / 275 clips, int8", "`make digits`, measured")


def test_simulated_machines_are_shown(both: Inputs):
    (row,) = digits.machines(both).rows
    assert row[:6] == ("fast", "65", "0", "100.2", "not simulated", "668")
    assert digits.MACHINES in results(both)
    assert "digits simulated" in render(both)


def test_nothing_is_said_where_nothing_was_measured(tmp_path: Path):
    assert digits.section(Inputs()) == []
    assert "Ten digits beside" not in results(Inputs()) + render(Inputs())
    assert "run `make digits`" in " ".join(Inputs().missing())
    assert "digits" not in " ".join(Inputs(net="tiny").missing())
    write(tmp_path, [evaluation("fast", split, 60) for split in CLIPS])
    assert collect(tmp_path, "tiny").digits == {}


def test_of_several_networks_the_best_on_val_counts(tmp_path: Path):
    better = {"digest": "fast-b"}
    trees = [evaluation("fast", split, 60) for split in CLIPS]
    write(tmp_path, [*trees, *(evaluation("fast", split, 61, **better) for split in CLIPS)])
    write(tmp_path, [simulation("fast")], "sim")
    found = collect(tmp_path).digits["fast"]
    assert found["digest"] == "fast-b"
    assert found["simulation"] is None, "that is of another network"


@pytest.mark.parametrize(
    "change",
    [
        {"mismatches_vs_golden": 1},
        {"source": "Google Speech Commands, val split, as a running recording"},
        {"split": "all"},
        {"network": "gsc-fast"},
        {"network": ["digits10-fast"]},
        {"per_class": {}},
    ],
)
def test_other_measurements_do_not_count(tmp_path: Path, change: dict[str, Any]):
    write(tmp_path, [evaluation("fast", "test", 60), evaluation("fast", "val", 270) | change])
    assert collect(tmp_path).digits == {}


def test_a_simulation_that_differs_does_not_count(tmp_path: Path):
    write(tmp_path, [evaluation("fast", split, 60) for split in CLIPS])
    write(tmp_path, [simulation("fast", mismatches=1)], "sim")
    assert collect(tmp_path).digits["fast"]["simulation"] is None


def test_damaged_measurements_are_named(tmp_path: Path):
    write(tmp_path, [simulation("fast", latency_cycles=0)], "sim")
    with pytest.raises(ArtefactError, match=r"sim-0\.json: .*latency_cycles is 0, needs"):
        collect(tmp_path)
    write(tmp_path, [evaluation("fast", "val", 60) | {"clips": 0}])
    with pytest.raises(ArtefactError, match=r"eval-0\.json: .*clips is 0, needs .* make it again"):
        collect(tmp_path)


def test_stored_figures_stay_until_others_are_measured(
    both: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    words = readme.stored()
    monkeypatch.setattr(readme, "STORED", tmp_path / "results.json")
    page = tmp_path / "README.md"
    page.write_text(f"{readme.BEGIN}\n{readme.END}\n")
    readme.update(page, both)
    assert "dense 95.38 / 97.45 %" in page.read_text()
    readme.update(page, replace(words, digits={}))
    whole = page.read_text()
    assert "dense 95.38 / 97.45 %" in whole and "multiplications a word" in whole
    assert readme.stored() == replace(words, digits=both.digits)
    readme.update(page, both)
    assert page.read_text() == whole
    readme.update(page, Inputs(net="tiny"))
    assert "95.38" not in page.read_text()
