"""``twofold compare``: a table, and one JSON object."""

import json
from pathlib import Path

import pytest

from twofold.sim.workloads.random_network import random_network, random_quantized
from twofold.sw.cli.main import main
from twofold.sw.onnx.export.onnx import export


def test_a_model_is_compared(tmp_path: Path, capsys) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(export(random_quantized(random_network(5), 5)).SerializeToString())
    command = ["compare", "--onnx", str(path), "--cycles", "3000", "--weights", "0.25"]
    assert main([*command, "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert list(tree["variants"]) == ["dense", "sparse-dense", "sparse-sparse"]
    assert tree["variants"]["dense"]["cycles_per_sample"] <= 3000
    assert main(command) == 0
    assert "25 % of the weights" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*command, "--activations", "0"])
    assert "argument --activations: '0': needs a number, 0.0001..1" in capsys.readouterr().err
