"""``twofold devices``, ``check``, ``infer`` and ``time``."""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from twofold.hw.contract.errors import ParameterError, ToolError
from twofold.hw.contract.presets import GSC_LABELS, network
from twofold.sim.workloads.random_network import random_quantized
from twofold.sw.cli.verbs import check, devices, infer, time
from twofold.sw.data.audio import read_clip
from twofold.sw.data.frontend import FRONT_ENDS, front_end
from twofold.sw.driver import measure, opening
from twofold.sw.driver.software import SoftwareUnit
from twofold.sw.errors import ArtefactError, AudioError, InputError, NoCardError
from twofold.sw.golden import forward
from twofold.sw.xrt.library import EMULATION_VARIABLE

Run = Callable[..., tuple[int, str]]
TINY = ("--net", "tiny", "--device")


@pytest.fixture(autouse=True)
def plugins(monkeypatch):
    """The simulated devices, whether or not this installation registers them; no emulation."""
    points = [
        EntryPoint(name, f"twofold.sim.devices.providers:{name}", opening.GROUP)
        for name in ("golden", "rtl")
    ]
    monkeypatch.setattr(opening, "_plugins", lambda: EntryPoints(points))
    monkeypatch.delenv(EMULATION_VARIABLE, raising=False)


@pytest.fixture
def command(capsys) -> Run:
    def run(module: ModuleType, *samples: str | Path) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        code = module.run(parser.parse_args([str(sample) for sample in samples]))
        return code, capsys.readouterr().out

    return run


@pytest.fixture
def sound(tmp_path) -> Path:
    """A second of a falling tone."""
    at = np.arange(16_000) / 16_000
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * (900 - 300 * at) * at), 16_000)
    return path


def test_devices(command):
    code, text = command(devices, "--json")
    tree = json.loads(text)
    assert code == 0
    assert tree["devices"] == ["auto", "cpu", "golden", "rtl", "xrt", "pynq", "serial"]
    assert tree["cpu"]["threads"] >= 1
    code, text = command(devices)
    assert "cpu " in text
    assert ("no card" in text) == (not tree["cards"])


@pytest.mark.parametrize("device", ("cpu", "golden", "rtl"))
def test_check(command, device, build_cache):
    code, text = command(check, *TINY, device, "--build", build_cache, "--samples", 70, "--json")
    figures = json.loads(text)
    assert code == 0
    assert (figures["samples"], figures["mismatches"], figures["failed_runs"]) == (70, 0, 0)
    assert (figures["devices"], figures["reference"]) == ([device], "golden")
    assert figures["launches_per_second"] > 0


def test_check_finds_a_wrong_logit(command, monkeypatch):
    """One bit of one logit of one sample, behind the unit's back."""
    right = SoftwareUnit._classify

    def wrong(unit, arguments, samples, stride):
        found = right(unit, arguments, samples, stride)
        if unit.name.startswith("cpu") and samples > 1:
            arguments.output.data[64] ^= 1
        return found

    monkeypatch.setattr(SoftwareUnit, "_classify", wrong)
    code, text = command(check, *TINY, "cpu", "--samples", 60)
    assert code == 1
    assert "1 of 60 samples differ from golden" in text


def test_time(command):
    code, text = command(time, *TINY, "cpu", "--batch", 500, "--repeats", 2, "--json")
    figures = json.loads(text)
    assert (code, figures["batch"], figures["watts"]) == (0, 500, None)
    for name in ("kernel_samples_per_second", "samples_per_second", "samples_per_second_copied"):
        assert 0 < figures[name]["low"] <= figures[name]["median"] <= figures[name]["high"]
    latency = figures["latency_seconds"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["max"]
    code, text = command(time, *TINY, "cpu", "--repeats", 1)
    assert "power           not reported" in text


def test_infer(command, sound):
    code, text = command(infer, sound, sound, "--device", "golden", "--json")
    tree = json.loads(text)
    assert (code, tree["device"], len(tree["files"])) == (0, "golden", 2)
    first, second = tree["files"]
    assert first == second
    assert first["label"] == GSC_LABELS[int(np.argmax(first["logits"]))]
    assert 0 < first["score"] <= 1
    code, text = command(infer, sound, "--device", "cpu")
    assert first["label"] in text
    assert str(sound) in text


def test_infer_hears_by_the_front_end_of_the_network(command, sound, tmp_path):
    quantized = random_quantized(network("gsc"))
    for front in FRONT_ENDS:
        named = replace(quantized, input={"kind": "audio", "front_end": front})
        named.save(tmp_path / "net.npz")
        _, text = command(
            infer, sound, "--network", tmp_path / "net.npz", "--device", "cpu", "--json"
        )
        expected = forward(named, front_end(front)(read_clip(sound))[None]).logits[0]
        assert json.loads(text)["files"][0]["logits"] == expected.tolist()
    later = replace(quantized, input={"kind": "audio", "front_end": "later"})
    later.save(tmp_path / "net.npz")
    with pytest.raises(ArtefactError, match="front end is 'later'"):
        command(infer, sound, "--network", tmp_path / "net.npz", "--device", "cpu")


@pytest.mark.parametrize(
    "samples, error, message",
    [
        (["--device", "gpu"], ToolError, "choose one of auto, cpu, golden, rtl, xrt, pynq"),
        (["--device", "cpu:1"], ToolError, "cpu:1"),
        (["--device", "xrt:x"], ToolError, "xrt:x"),
        (["--net", "tiny"], InputError, r"tone\.wav: cannot be read as a picture"),
        (
            ["--device", "xrt:99", "--xclbin", __file__],
            ParameterError,
            "does not start with 'xclbin2'",
        ),
        (
            ["--device", "xrt:99", "--xclbin", "/no/such"],
            ParameterError,
            "/no/such: no such file",
        ),
    ],
)
def test_wrong_use(command, sound, samples, error, message):
    with pytest.raises(error, match=message):
        command(infer, sound, *samples)


def test_missing_audio(command, tmp_path):
    with pytest.raises(AudioError, match="no such file"):
        command(infer, tmp_path / "none.wav", "--device", "cpu")


def test_without_a_card(command, sound, monkeypatch):
    monkeypatch.setattr(opening, "cards", lambda: ())
    with pytest.raises(NoCardError, match=r"is it seated.*use --device cpu"):
        command(infer, sound, "--device", "pynq")


def test_auto_says_what_it_took(capsys, sound, monkeypatch):
    monkeypatch.setattr(opening, "cards", lambda: ())
    parser = argparse.ArgumentParser()
    infer.add_arguments(parser)
    assert infer.run(parser.parse_args([str(sound)])) == 0
    assert "no card found, so the CPU engine computes" in capsys.readouterr().err


def test_infer_of_arrays(command, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 1, 8, 8), np.uint8))
    code, text = command(infer, tmp_path / "x.npy", *TINY, "cpu", "--json")
    rows = json.loads(text)["files"]
    assert code == 0
    assert [row["file"] for row in rows] == [f"{tmp_path}/x.npy[{at}]" for at in range(3)]
    assert rows[0]["logits"] == rows[2]["logits"]


def test_one_bad_file_does_not_reject_the_rest(command, sound, tmp_path):
    """The rest is classified; the exit code is that of the first file that cannot be read."""
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    files = (tmp_path / "bad.wav", sound, tmp_path / "none.wav")
    code, text = command(infer, *files, "--device", "cpu", "--json")
    rows = json.loads(text)["files"]
    assert code == AudioError.exit_code
    assert [row["file"] for row in rows] == [str(sound), str(files[0]), str(files[2])]
    assert rows[0]["label"] in GSC_LABELS and "label" not in rows[1]
    assert "no such file" in rows[2]["error"]
    code, text = command(infer, *files, "--device", "cpu")
    assert code == AudioError.exit_code and text.count("\n") == 1 and str(sound) in text


def test_remarks_are_said(capsys, tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.sin(np.arange(24_000) / 9) / 2, 16_000)
    parser = argparse.ArgumentParser()
    infer.add_arguments(parser)
    assert infer.run(parser.parse_args([str(path), "--device", "cpu"])) == 0
    assert "note: " in (said := capsys.readouterr().err) and "1.500 s long" in said


def test_time_with_samples_of_the_user(command, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.full((3, 64), 7, np.uint8))
    monkeypatch.setattr(measure, "random_samples", lambda *_: pytest.fail("noise was asked for"))
    options = ("--input", tmp_path / "x.npy", "--batch", 100, "--repeats", 1, "--json")
    code, text = command(time, *TINY, "cpu", *options)
    assert code == 0 and json.loads(text)["batch"] == 100
    with pytest.raises(InputError, match="no such file"):
        command(time, *TINY, "cpu", "--input", tmp_path / "none.npy")
