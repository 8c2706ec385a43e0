"""``twofold listen``: recordings, folders and standard input."""

import argparse
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.decision import Decision
from twofold.sw.artefacts.shipped import shipped_file
from twofold.sw.cli.verbs import listen as cli
from twofold.sw.cpu import CpuEngine
from twofold.sw.data.features import HOP, log_power
from twofold.sw.data.frontend import stream
from twofold.sw.data.speech import speak
from twofold.sw.errors import AudioError
from twofold.sw.live import Decider, Window

EASY = ("--threshold", "0.4", "--smooth", "256", "--device", "cpu")


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """16-bit samples of three words."""
    words = [np.pad(speak(word), (9000, 7000)) for word in ("yes", "stop", "left")]
    noise = np.random.default_rng(2).normal(0, 1e-3, 3 * 32_000)
    return np.rint((np.concatenate(words) + noise) * 32767).astype("<i2")


@pytest.fixture(scope="module")
def spoken(sound: np.ndarray) -> list[tuple[str, float]]:
    """What the whole recording says, window by window, without streams."""
    network = QuantizedNetwork.load(shipped_file("gsc-fast"))
    assert network.front_end is not None
    samples = sound.astype(np.float32) / 32768
    images = stream(log_power(samples[None], HOP)[0], network.front_end)
    logits, _ = CpuEngine(network, 1).infer(images)
    decider = Decider(network, Decision(threshold=0.4, smooth=256))
    windows = [Window(at, at * 0.064, row, 0.0, 0.0) for at, row in enumerate(logits)]
    found = [word for word in map(decider.push, windows) if word]
    assert found
    return [(word.label, round(word.time, 3)) for word in found]


def run(*options: object) -> int:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return cli.run(parser.parse_args([*map(str, options), *EASY]))


def lines(text: str) -> list[tuple[str, float]]:
    rows = [json.loads(line) for line in text.splitlines()]
    assert all(row["delay_ms"] >= 0 and 0.4 <= row["score"] <= 1 for row in rows)
    return [(row["word"], row["time"]) for row in rows]


def test_a_recording(tmp_path: Path, sound, spoken, capsys) -> None:
    soundfile.write(tmp_path / "a.wav", sound, 16_000)
    assert run(tmp_path / "a.wav", "--json") == 0
    shown = capsys.readouterr()
    assert lines(shown.out) == spoken
    assert "ms (median)" in shown.err
    assert run(tmp_path / "a.wav") == 0
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [word[2] for word in words] == [label for label, _ in spoken]


def test_what_fails_does_not_stop_the_others(tmp_path: Path, sound, spoken, capsys) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/a.wav", "in/b.wav"):
        soundfile.write(tmp_path / name, sound, 16_000)
    (tmp_path / "in" / "c.wav").write_text("no sound")
    assert run(tmp_path / "in", tmp_path / "none.wav", "--json") == AudioError.exit_code
    shown = capsys.readouterr()
    rows = [json.loads(line) for line in shown.out.splitlines()]
    for name in ("a", "b"):
        own = [(row["word"], row["time"]) for row in rows if row["source"].endswith(f"{name}.wav")]
        assert own == spoken
    assert "none.wav: no such file" in shown.err and "c.wav: cannot be read" in shown.err


@pytest.mark.parametrize("header", [True, False], ids=["wav", "raw"])
def test_standard_input(header: bool, sound, spoken, capsys, monkeypatch) -> None:
    content = io.BytesIO()
    soundfile.write(content, sound, 16_000, format="WAV", subtype="PCM_16")
    data = content.getvalue() if header else sound.tobytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert run("-", "--json") == 0
    assert lines(capsys.readouterr().out) == spoken


def test_a_microphone_that_is_not_there(capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert run("--microphone", "desk") == 6
    assert "twofold[live]" in capsys.readouterr().err
