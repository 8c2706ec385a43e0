"""``twofold solve``: a machine file for any network."""

import argparse
import json
from pathlib import Path

import pytest

from twofold.hw.contract.errors import BoardError, FoldingError, NetworkError
from twofold.hw.contract.machine import Machine
from twofold.hw.contract.presets import network
from twofold.sim.workloads.random_network import random_network, random_quantized
from twofold.sw.cli.main import main
from twofold.sw.cli.verbs import solve


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    solve.add_arguments(parser)
    return solve.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.npz"
    random_quantized(random_network(5)).save(path)
    return path


def test_cycles(own: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "folder" / "own.machine.json"
    assert run("--network", own, "--cycles", 2000, "--out", out, "--name", "mine") == 0
    machine = Machine.load(out)
    assert (machine.name, machine.board, machine.network) == ("mine", "u250", random_network(5))
    assert max(plan.cycles for plan in machine.plans) <= 2000
    assert f"written to {out}" in capsys.readouterr().out


def test_json_is_the_only_thing_on_standard_output(own: Path, tmp_path: Path, capsys) -> None:
    out, figures = tmp_path / "own.machine.json", tmp_path / "figures.json"
    assert run("--network", own, "--cycles", 500, "--out", out, "--json", "--figures", figures) == 0
    told = capsys.readouterr()
    tree = json.loads(told.out)
    assert tree == json.loads(figures.read_text(encoding="utf-8"))
    assert tree["cycles_per_sample"] <= 500
    assert tree["fingerprint"] == Machine.load(out).fingerprint.hex()
    assert tree["file"] == str(out)
    assert sum(layer["dsp"] for layer in tree["layers"].values()) == tree["resources"]["dsp"]
    assert "solving: at most 500 cycles" in told.err


def test_the_fastest_is_the_default(own: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "own.machine.json"
    assert run("--network", own, "--out", out, "--json") == 0
    fastest = json.loads(capsys.readouterr().out)
    assert fastest["next_step"] is None
    assert run("--network", own, "--out", out, "--cycles", 4000, "--json") == 0
    assert fastest["cycles_per_sample"] < json.loads(capsys.readouterr().out)["cycles_per_sample"]
    assert max(fastest["share_of_slr"].values()) <= 0.8


def test_latency(own: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "own.machine.json"
    assert run("--network", own, "--out", out, "--latency", 700, "--json") == 0
    assert json.loads(capsys.readouterr().out)["latency_cycles"] <= 700
    with pytest.raises(FoldingError, match="no machine found with a latency of 3 cycles"):
        run("--network", own, "--out", tmp_path / "none", "--latency", 3)
    assert not (tmp_path / "none").exists()


def test_where_a_file_goes_by_itself(tmp_path: Path, capsys) -> None:
    options = ("--net", "tiny", "--cycles", 100, "--spans", "--build", tmp_path)
    assert run(*options) == 0
    printed = capsys.readouterr().out
    assert "linear2 compute" in printed and "latency" in printed
    assert "bottleneck" in printed and "next step" in printed
    assert max(map(len, printed.splitlines()[:-1])) <= 80
    assert "…" not in printed, "something was cut off"
    (file,) = (tmp_path / "machines").iterdir()
    assert Machine.load(file).network == network("tiny")


def test_another_board(own: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "own.machine.json"
    assert run("--network", own, "--cycles", 2000, "--out", out, "--board", "u55c", "--json") == 0
    assert json.loads(capsys.readouterr().out)["board"] == Machine.load(out).board == "u55c"
    with pytest.raises(BoardError, match="board 'u1' is unknown, choose one of"):
        run("--network", own, "--out", out, "--board", "u1")


def test_wrong_targets(own: Path) -> None:
    for option, value in (("--cycles", 0), ("--latency", -1), ("--input-bytes", 0)):
        with pytest.raises(SystemExit):
            run("--network", own, option, value)
    with pytest.raises(FoldingError, match="arrives in"):
        run("--network", own, "--cycles", 1)


@pytest.mark.parametrize("content", [b"", b"PK", b"nothing at all"])
def test_a_file_that_is_no_network(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "net.npz"
    file.write_bytes(content)
    with pytest.raises(NetworkError, match=r"no network in it .* give an .npz artefact"):
        run("--network", file, "--cycles", "100")


def test_its_former_name(tmp_path: Path, capsys) -> None:
    """``fold`` took no number behind ``--latency``, a file behind ``--json`` and a net's name."""
    figures = tmp_path / "folding.json"
    options = ["--network", "tiny", "--cycles", "100", "--latency", "--json", str(figures)]
    assert main(["fold", *options, "--build", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "`twofold fold` is called `twofold solve` now" in told.err
    assert "linear2 compute" in told.out
    tree = json.loads(figures.read_text(encoding="utf-8"))
    assert tree["network"] == "tiny-fast" and tree["cycles_per_sample"] <= 100
    assert tree["folding"]["layers"]
