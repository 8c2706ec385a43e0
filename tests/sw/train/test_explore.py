"""``twofold explore``: trials, their cost and their reports."""

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pytest

from twofold.hw.contract import presets
from twofold.hw.contract.errors import FoldingError, UsageError
from twofold.hw.contract.network import Network
from twofold.sim.workloads.random_network import random_inputs, random_quantized
from twofold.sw.cli.verbs import explore as cli
from twofold.sw.data.digits import digits
from twofold.sw.golden import forward
from twofold.sw.train.explore import search, trials
from twofold.sw.train.explore.cost import cycles, products, shipped_folding
from twofold.sw.train.explore.report import as_markdown
from twofold.sw.train.explore.trials import Figure
from twofold.sw.train.own import own_recipe
from twofold.sw.train.recipe import Recipe, recipe


@pytest.mark.parametrize("variant", presets.VARIANTS)
def test_no_word_needs_more_products(variant: str) -> None:
    network = presets.network("tiny", variant)
    quantized = random_quantized(network, 1)
    counted = forward(quantized, random_inputs(network, 20, 1)).multiplications.sum(axis=1)
    assert counted.max() <= products(network)
    if variant == "dense":
        assert products(network) == network.multiplications_dense


def test_cycles_on_the_same_multipliers() -> None:
    fast, sparse_dense, accurate = (
        presets.network("gsc", variant) for variant in ("fast", "sparse-dense", "accurate")
    )
    machine = shipped_folding("gsc")
    assert cycles(fast, machine) <= 112
    assert cycles(fast, machine) < cycles(accurate, machine) < cycles(sparse_dense, machine)


def test_studies_name_their_trials() -> None:
    for make in trials.STUDIES.values():
        names = [trial.name for trial in make("gsc", 0.1)]
        assert len(set(names)) == len(names) >= 5
        assert {trial.phase.epochs for trial in make("gsc", 0.1)} == {4}


def test_spread_over_seeds() -> None:
    figures = [
        Figure(name=f"fast, seed {seed}", epochs=3, val=0.9 + 0.01 * seed, test=0.8, products=9,
               cycles=5)
        for seed in range(3)
    ]  # fmt: skip
    assert "| **fast, 3 seeds** | 3 | 91.00 +- 1.00 | 80.00 +- 0.00 |" in as_markdown(figures, "x")


def test_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trials, "recipe", _short)
    options = ["pareto", "--net", "tiny", "--machine", "tiny-fast-full", "--json"]
    arguments = _parse([*options, "--out", str(tmp_path), "--work", str(tmp_path)])
    assert cli.run(arguments) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["study"], figures["net"]) == ("pareto", "tiny")
    figures = figures["figures"]
    assert figures == json.loads((tmp_path / "pareto.json").read_text())
    assert [figure["epochs"] for figure in figures] == [4] * 5
    assert (tmp_path / "pareto.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "pareto.md").read_text().splitlines()) == 4 + 5


def test_scale_is_above_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _parse(["pareto", "--scale", "-1"])
    assert "--scale: '-1': needs a number" in capsys.readouterr().err


def test_seeds_run_whole_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "SEEDS", 2)
    monkeypatch.setattr(presets, "VARIANTS", ("dense", "fast"))
    options = ["seeds", "--net", "tiny", "--out", str(tmp_path), "--work", str(tmp_path)]
    assert cli.run(_parse([*options, "--scale", "0.01", "--json"])) == 0
    figures = json.loads((tmp_path / "seeds.json").read_text())
    assert [figure["name"] for figure in figures] == [
        f"{variant} {kind}, seed {seed}"
        for seed in (0, 1)
        for variant in ("dense", "fast")
        for kind in ("float", "int8")
    ]
    assert "| **fast int8, 2 seeds** |" in (tmp_path / "seeds.md").read_text()


def _short(name: str, variant: str, **_: object) -> Recipe:
    return recipe(name, variant, scale=0.01)


def _parse(options: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(options)


def test_search_trains_the_largest_points_that_are_fast_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(search, "own_recipe", _short_own)
    images, classes = digits("all")
    np.savez(tmp_path / "data.npz", x=images, y=classes)
    options = ["search", "--network", "tiny-dense", "--data", str(tmp_path / "data.npz"), "--json"]
    options += ["--out", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    assert cli.run(_parse([*options, "--cycles", "200"])) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert all(figure["cycles"] <= 200 for figure in figures)
    shares = [tuple(float(word) for word in re.findall(r"[\d.]+", one["name"])) for one in figures]
    for mine in shares:
        assert not any(
            mine != other and all(a <= b for a, b in zip(mine, other, strict=True))
            for other in shares
        )
    with pytest.raises(FoldingError, match="no pair of shares reaches the target"):
        cli.run(_parse([*options, "--cycles", "1"]))
    with pytest.raises(UsageError, match="search needs --network FILE"):
        cli.run(_parse(["search", "--net", "tiny"]))


def _short_own(network: Network, steps: int, *, scale: float = 1.0) -> Recipe:
    return own_recipe(network, steps, scale=0.01 * scale)
