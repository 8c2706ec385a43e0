"""``twofold spot``: on a data set of rendered words."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.decision import Decision
from twofold.sw.artefacts.shipped import shipped_file
from twofold.sw.cli.deciding import OPTIONS, decision
from twofold.sw.cli.verbs import spot as cli
from twofold.sw.data.options import DATA_VARIABLE
from twofold.sw.data.speech import VOICES, speak
from twofold.sw.errors import DatasetError, InputError
from twofold.sw.evaluate.spotting import THRESHOLDS


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Words by some voices as the test split, and a background recording."""
    root, listed = tmp_path_factory.mktemp("speech"), []
    for word in ("yes", "no", "stop", "bed", "happy"):
        (root / word).mkdir()
        for number, voice in enumerate(VOICES[:3]):
            name = f"{word}/{number}_nohash_0.wav"
            soundfile.write(root / name, speak(word, voice), 16_000)
            listed.append(name)
    (root / "testing_list.txt").write_text("\n".join(listed))
    (root / "_background_noise_").mkdir()
    noise = np.random.default_rng(1).normal(0, 0.1, 40 * 16_000)
    soundfile.write(root / "_background_noise_" / "hiss.wav", noise, 16_000)
    return root


def run(*options: object) -> int:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return cli.run(parser.parse_args([*map(str, options), "--device", "cpu"]))


def test_figures_picture_and_network(data: Path, tmp_path: Path, capsys) -> None:
    pytest.importorskip("matplotlib")
    picture, out = tmp_path / "curves.png", tmp_path / "out.npz"
    options = ("--data", data, "--minutes", 1, "--snr", 30, "--snr", 0, "--json")
    more = ("--picture", picture, "--out", out, "--smooth", 256, "--alarms", 100)
    assert run(*options, *more) == 0
    tree = json.loads(capsys.readouterr().out)
    (found,) = tree["networks"].values()
    assert (tree["minutes"], tree["split"]) == (1.0, "test")
    loud, soft = found["recordings"]
    assert (loud["snr"], soft["snr"]) == (30, 0)
    for one in (loud, soft):
        assert one["words"] > 0 and one["words"] + one["other_words"] <= 15
        assert one["windows"] == (-(-60 * 16_000 // 512) - 30) // 2
        assert one["computed"] + one["repeated"] + one["gated"] == one["windows"]
        assert [point["threshold"] for point in one["points"]] == list(THRESHOLDS)
        assert all(point["hits"] + point["misses"] == one["words"] for point in one["points"])
        assert 0 <= one["sharing"]["multiplications"] <= 1
    assert loud["points"][0]["hits"] > 0
    for point, *parts in zip(found["pooled"], loud["points"], soft["points"], strict=True):
        assert point["false_alarms"] == sum(part["false_alarms"] for part in parts)
    kept = QuantizedNetwork.load(out).decision
    assert kept.to_json() == found["chosen"] and kept.smooth == 256
    at = next(one for one in found["pooled"] if one["threshold"] == kept.threshold)
    assert at["false_alarms_per_hour"] <= 100
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_table_names_what_was_measured(data: Path, capsys) -> None:
    assert run("--data", data, "--minutes", 0.3, "--snr", 20, "--beside", "accurate") == 0
    shown = capsys.readouterr().out
    assert "0.3 minutes of the test split" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (("--net", "tiny"), InputError, "takes no audio"),
        (("--split", "fourth"), DatasetError, "fourth"),
    ],
)
def test_bad_options(data: Path, options, error, message: str) -> None:
    with pytest.raises(error, match=message):
        run("--data", data, "--minutes", 0.3, *options)


@pytest.mark.parametrize(
    "options", [("--minutes", 0), ("--snr", 90), ("--seed", -1), ("--threshold", 2), ("--hop", 50)]
)
def test_numbers_out_of_range(options, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        run(*options)
    assert stop.value.code == 2
    assert f"argument {options[0]}: '{options[1]}': needs" in capsys.readouterr().err


def test_needs_data(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    with pytest.raises(DatasetError, match="no data: give --data"):
        run()
    (tmp_path / "yes").mkdir()
    soundfile.write(tmp_path / "yes" / "a.wav", speak("yes"), 16_000)
    with pytest.raises(DatasetError, match="no recordings in _background_noise_"):
        run("--data", tmp_path, "--split", "all")


def test_a_network_keeps_its_decision_where_nothing_else_is_said() -> None:
    network = QuantizedNetwork.load(shipped_file("gsc-fast"))
    own = Decision(hop=128, threshold=0.7)
    network = replace(network, input={**network.input, "decision": own.to_json()})
    nothing = dict.fromkeys(OPTIONS)
    assert decision(argparse.Namespace(**nothing), network) == own
    changed = decision(argparse.Namespace(**{**nothing, "gate": -50.0}), network)
    assert changed == replace(own, gate=-50.0)
