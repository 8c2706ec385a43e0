"""Accuracies beside every speed: measured on the same samples, or as the artefact records them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from twofold.hw.contract.errors import ToolError
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.bench import accuracy
from twofold.sw.bench.accuracy import RECORDED, accuracies, recorded
from twofold.sw.golden import forward
from twofold.sw.inputs import read_labelled


@pytest.fixture(scope="module")
def fast() -> QuantizedNetwork:
    return QuantizedNetwork.load(shipped("tiny", "fast"))


def test_measured_is_the_share_that_the_golden_model_gets_right(fast: QuantizedNetwork):
    seen = []
    found = accuracies([fast], None, lambda *at: seen.append(at))["tiny-fast"]
    for split in ("val", "test"):
        data = read_labelled(fast, split=split)
        right = forward(fast, data.samples, keep_activations=False).labels == data.labels
        assert found[split] == pytest.approx(right.mean(), abs=1e-5)
    assert found["data"] == "digits of scikit-learn: val 180, test 359 samples, int8"
    assert seen == [(0, 1), (1, 1)]


def test_engine_and_golden_model_count_the_same(fast: QuantizedNetwork, monkeypatch):
    with_engine = accuracies([fast], None)

    def missing(*_args, **_options):
        raise ToolError("not built")

    monkeypatch.setattr(accuracy, "CpuEngine", missing)
    assert accuracies([fast], None) == with_engine


def test_without_data_the_record_of_the_training_counts():
    network = QuantizedNetwork.load(shipped("gsc", "fast"))
    found = accuracies([network], None)["gsc-fast"]
    assert found == recorded(network)
    assert found["data"] == RECORDED
    assert found["test"] == network.provenance["accuracy"]["test"]


@pytest.mark.parametrize("record", [None, 3, {"test": "high"}, {"test": 91.0}, {"val": True}])
def test_a_record_that_is_no_share_is_not_known(fast: QuantizedNetwork, record: object):
    found = recorded(replace(fast, provenance={"accuracy": record}))
    assert (found["val"], found["test"], found["data"]) == (None, None, "not known")


def test_splits_that_a_folder_lacks_are_not_known(tmp_path: Path):
    """Half of the clips of a copy may be there, as its lists say."""
    soundfile = pytest.importorskip("soundfile")
    network = QuantizedNetwork.load(shipped("gsc", "fast"))
    (tmp_path / "yes").mkdir()
    for number in range(2):
        noise = np.random.default_rng(number).normal(0, 0.1, 16000)
        soundfile.write(tmp_path / "yes" / f"a_nohash_{number}.wav", noise, 16000)
    (tmp_path / "testing_list.txt").write_text("yes/a_nohash_0.wav\n")
    found = accuracies([network], tmp_path)["gsc-fast"]
    assert found["val"] is None
    assert found["test"] in (0.0, 1.0)
    assert found["data"] == "Google Speech Commands: test 1 samples, int8"


def test_digest_tells_networks_apart(fast: QuantizedNetwork):
    other = replace(fast.layers[0], shift=fast.layers[0].shift + 1)
    assert fast.digest() == QuantizedNetwork.load(shipped("tiny", "fast")).digest()
    assert fast.digest() == replace(fast, provenance={"when": "today"}).digest()
    assert fast.digest() != replace(fast, layers=(other, *fast.layers[1:])).digest()
