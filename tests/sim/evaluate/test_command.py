"""``twofold eval`` on digits: every backend, the same figures."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from twofold.hw.contract import presets
from twofold.hw.contract.errors import NetworkError
from twofold.sim.evaluate import backends
from twofold.sim.evaluate.densities import densities
from twofold.sim.workloads.random_network import (
    random_inputs,
    random_network,
    random_quantized,
    with_outputs,
)
from twofold.sw.cli.verbs import eval as cli
from twofold.sw.errors import DatasetError, InputError
from twofold.sw.evaluate.perturb import PERTURBATIONS
from twofold.sw.golden import forward


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(options)


@pytest.mark.parametrize("backend", ["golden", "torch", "onnx", "cpu"])
def test_backends_agree(backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "confusion.png"
    options = ("--net", "tiny", "--json", "--backend", backend, "--picture", str(picture))
    assert cli.run(parse(*options)) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["clips"] == 359 and figures["mismatches_vs_golden"] == 0
    assert figures["accuracy"] == figures["correct"] / 359 >= 0.96
    assert sum(entry["clips"] for entry in figures["per_class"].values()) == 359
    assert picture.stat().st_size > 1000
    assert figures["activation_density"]["conv2"] <= 12 / 32
    assert 0 < figures["activation_density"]["linear1"] <= 20 / 64
    assert figures["multiplications_per_sample"] < figures["multiplications_dense"] / 4


def test_densities_are_counted() -> None:
    quantized = random_quantized(presets.network("tiny", "fast"), 5)
    golden = forward(quantized, random_inputs(quantized.network, 9, 5))
    found = densities(quantized, golden)
    assert found["weight_density"]["conv1"] == round(4 / 9, 5)
    expected = [float((values != 0).mean()) for values in golden.activations]
    assert list(found["activation_density"].values()) == pytest.approx(expected, abs=1e-5)


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(parse("--net", "tiny", "--split", "val")) == 0
    assert "0 samples differ" in " ".join(capsys.readouterr().out.split())


def test_a_backend_that_differs_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(quantized, inputs):  # one bit of one logit
        logits = backends.golden(quantized, inputs).copy()
        logits[3, 0] ^= 1
        return logits

    monkeypatch.setattr(backends, "backend", lambda *_: wrong)
    assert cli.run(parse("--net", "tiny", "--json")) == 1
    assert json.loads(capsys.readouterr().out)["mismatches_vs_golden"] == 1


def test_robustness_of_variants_beside_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 20_000)
    for name in ("_background_noise_/hiss.wav", "yes/a_nohash_0.wav", "no/a_nohash_0.wav"):
        (tmp_path / name).parent.mkdir()
        soundfile.write(tmp_path / name, noise[: 16_000 if "nohash" in name else None], 16_000)
    options = ("--data", str(tmp_path), "--split", "all", "--stream", "--json")
    assert cli.run(parse(*options)) == 0
    assert json.loads(capsys.readouterr().out)["clips"] == 3
    options = ("--data", str(tmp_path), "--split", "all", "--robust", "--beside", "dense")
    assert cli.run(parse(*options, "--json")) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["clips"] == 3 and set(figures["robust"]) == {"gsc-fast", "gsc-dense"}
    assert figures["robust"]["gsc-fast"].keys() == {how.name for how in PERTURBATIONS}
    assert cli.run(parse(*options)) == 0
    assert "noise, 20 dB" in capsys.readouterr().out


def test_only_what_hears_has_a_stream(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tiny-fast: takes no audio, which --stream is made of"):
        cli.run(parse("--net", "tiny", "--stream"))
    with pytest.raises(InputError, match="--stream takes one folder"):
        cli.run(parse(str(tmp_path), str(tmp_path), "--net", "gsc", "--stream"))


def test_needs_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cli.DATA_VARIABLE, raising=False)
    with pytest.raises(DatasetError, match="no data: give --data DIR"):
        cli.run(parse("--net", "gsc"))


def test_raw_outputs_have_no_classes_to_count():
    network = with_outputs(random_network(3), 4, labelled=False)
    inputs = random_inputs(network, 2, 3)
    with pytest.raises(NetworkError, match="random-3-4-raw gives raw outputs, no classes to count"):
        cli.measure(random_quantized(network, 3), backends.golden, inputs, np.zeros(2, np.int64))
