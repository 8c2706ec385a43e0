"""``twofold import``: a model into a network, and what it says of it."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from twofold.sim.workloads.random_network import random_inputs, random_network, random_quantized
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.cli.options import EXIT_MISMATCH
from twofold.sw.cli.verbs import import_
from twofold.sw.errors import ArtefactError, InputError
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.importer import verify as verifying

SEED = 3


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    import_.add_arguments(parser)
    return import_.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "own.onnx"
    path.write_bytes(export(random_quantized(random_network(SEED), SEED)).SerializeToString())
    return path


def test_the_input_is_what_is_stated(model: Path, tmp_path: Path, capsys):
    assert run(model, "--out", tmp_path / "own.npz", "--input", "picture", "--json") == 0
    assert json.loads(capsys.readouterr().out)["network"]
    assert QuantizedNetwork.load(tmp_path / "own.npz").input["kind"] == "picture"
    with pytest.raises(ArtefactError, match="choose one of array, picture"):
        run(model, "--out", tmp_path / "other.npz", "--input", "smell")
    assert not (tmp_path / "other.npz").exists()


def test_verification(model: Path, tmp_path: Path, capsys, monkeypatch):
    np.save(tmp_path / "x.npy", random_inputs(random_network(SEED), 40, SEED))
    command = (model, "--out", tmp_path / "own.npz", "--verify", tmp_path / "x.npy")
    assert run(*command, "--json") == 0
    found = json.loads(capsys.readouterr().out)["verification"]
    assert (found["verdict"], found["samples"], found["labels"]) == ("proven", 40, 1)
    assert run(*command) == 0
    assert "40 samples in ONNX Runtime: proven" in capsys.readouterr().out
    with pytest.raises(InputError, match="no such file"):
        run(*command[:-1], tmp_path / "none.npy")
    other = verifying.verify

    def differing(content, quantized, inputs):
        found = other(content, quantized, inputs)
        return type(found)(**{**vars(found), "labels": 0.5})

    monkeypatch.setattr(verifying, "verify", differing)
    assert run(*command) == EXIT_MISMATCH
