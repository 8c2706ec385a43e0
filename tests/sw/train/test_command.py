"""``twofold train`` as a user runs it."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.cli.main import main
from twofold.sw.cli.verbs import train
from twofold.sw.data.gsc import DIGIT_WORDS, KEYWORDS, open_gsc
from twofold.sw.data.options import DATA_VARIABLE
from twofold.sw.data.speech import VOICES, speak
from twofold.sw.train import sources
from twofold.sw.train.cache import clip_power
from twofold.sw.train.journal import Journal
from twofold.sw.train.sources import SpeechSource


def test_trains_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "net.npz"
    arguments = ["train", "--net", "tiny", "--out", str(out), "--work", str(tmp_path / "work")]
    exported = tmp_path / "float.onnx"
    options = ["--scale", "0.01", "--json", "--float-onnx", str(exported)]
    assert main([*arguments, *options]) == 0
    assert exported.stat().st_size > 10_000
    summary = json.loads(capsys.readouterr().out)
    quantized = QuantizedNetwork.load(out)
    assert quantized.network.name == "tiny-fast" and quantized.provenance["seed"] == 0
    assert summary["accuracy"]["int8"] == quantized.provenance["accuracy"]
    records = Journal(out.with_suffix(".jsonl")).records()
    assert [(record.phase, record.epoch) for record in records[:2]] == [
        ("teacher", 1),
        ("teacher", 2),
    ]
    assert {record.phase for record in records} == {"teacher", "student", "polish"}
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    first = out.read_bytes()
    assert main([*arguments, "--scale", "0.01"]) == 0
    assert out.read_bytes() == first
    assert Journal(out.with_suffix(".jsonl")).records() == records


def test_goes_on_from_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, start = tmp_path / "net.npz", shipped("tiny", "fast")
    arguments = ["train", "--net", "tiny", "--out", str(out), "--work", str(tmp_path / "work")]
    assert main([*arguments, "--start", str(start), "--scale", "0.01", "--json"]) == 0
    right = json.loads(capsys.readouterr().out)["accuracy"]
    assert right["sparse float"]["val"] > 0.9 > right["dense float"]["val"]
    quantized = QuantizedNetwork.load(out)
    assert quantized.provenance["start"] == QuantizedNetwork.load(start).provenance
    capsys.readouterr()
    out.unlink()
    assert main([*arguments, "--start", str(shipped("gsc", "fast"))]) != 0
    assert "start: conv1 of gsc-fast makes" in capsys.readouterr().err
    assert not out.exists()


def test_cuda_needs_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "cuda_is_there", lambda: False)
    out = tmp_path / "net.npz"
    assert main(["train", "--net", "tiny", "--out", str(out), "--device", "cuda"]) != 0
    assert "PyTorch finds no CUDA device" in capsys.readouterr().err
    assert not out.exists()


def test_needs_data(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    out = str(tmp_path / "net.npz")
    assert main(["train", "--out", out]) == 8
    assert "no data: give --data DIR" in capsys.readouterr().err
    assert main(["train", "--out", out, "--data", str(tmp_path)]) == 8
    assert "not Google Speech Commands" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "--out", out, "--scale", "0"])
    assert not (tmp_path / "net.npz").exists()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of rendered words."""
    root = tmp_path / "data"
    noise = np.random.default_rng(0).normal(0, 0.05, 40_000)
    for index, word in enumerate((*KEYWORDS, "bed", "cat")):
        (root / word).mkdir(parents=True)
        for voice in range(3):
            path = root / word / f"v{voice}_nohash_0.wav"
            soundfile.write(path, speak(word, VOICES[(index + voice) % len(VOICES)]), 16_000)
    (root / "_background_noise_").mkdir()
    soundfile.write(root / "_background_noise_/hum.wav", noise, 16_000)
    for split, voice in (("validation", 1), ("testing", 2)):
        names = [f"{word}/v{voice}_nohash_0.wav" for word in (*KEYWORDS, "bed")]
        (root / f"{split}_list.txt").write_text("\n".join(names))
    return root


def test_features_are_kept(folder: Path, tmp_path: Path) -> None:
    clips = open_gsc(folder).clips("train")
    calls: list[tuple[int, int]] = []
    first = clip_power(tmp_path / "cache", clips, lambda *done: calls.append(done))
    assert first.shape == (len(clips), 125, 32) and calls[-1] == (len(clips), len(clips))
    calls.clear()
    np.testing.assert_array_equal(clip_power(tmp_path / "cache", clips, lambda *_: None), first)
    assert not calls and len(list((tmp_path / "cache").iterdir())) == 1


def write_words(root: Path, words: tuple[str, ...]) -> None:
    """Every word by three voices, one for each split."""
    for index, word in enumerate(words):
        (root / word).mkdir(parents=True)
        for voice in range(3):
            path = root / word / f"v{voice}_nohash_0.wav"
            soundfile.write(path, speak(word, VOICES[(index + voice) % len(VOICES)]), 16_000)
    for split, voice in (("validation", 1), ("testing", 2)):
        names = "\n".join(f"{word}/v{voice}_nohash_0.wav" for word in words)
        (root / f"{split}_list.txt").write_text(names)


def test_ten_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sources, "SPEAKERS", 2)
    monkeypatch.setattr(SpeechSource, "epoch", 256)
    write_words(tmp_path / "data", DIGIT_WORDS)
    out = tmp_path / "digits.npz"
    options = ["--data", str(tmp_path / "data"), "--work", str(tmp_path), "--out", str(out)]
    assert main(["train", "--task", "digits10", "--scale", "0.01", "--json", *options]) == 0
    network = QuantizedNetwork.load(out).network
    assert network.name == "digits10-fast" and network.labels == DIGIT_WORDS
    capsys.readouterr()
    options = ["--network", str(out), "--data", str(tmp_path / "data"), "--json"]
    assert main(["eval", *options]) == 0
    assert json.loads(capsys.readouterr().out)["clips"] == 10


def test_ten_digits_need_all_ten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_words(tmp_path / "data", DIGIT_WORDS[:-2])
    options = ["--data", str(tmp_path / "data"), "--work", str(tmp_path)]
    out = tmp_path / "digits.npz"
    assert main(["train", "--task", "digits10", *options, "--out", str(out)]) == 8
    assert "no clips to train eight, nine with" in capsys.readouterr().err
