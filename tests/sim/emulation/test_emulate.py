"""``twofold emulate``: samples through both back-ends, and its one-line errors."""

import argparse
import dataclasses
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from twofold.hw.boards import find
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.shipped import machine
from twofold.sim.emulation.bitstream import BINARY
from twofold.sim.emulation.emulate import Task, emulate
from twofold.sim.workloads.samples import choose
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.cli.verbs import emulate as cli
from twofold.sw.xrt.library import RUNTIMES

SAMPLES = 12
SAMPLES_FOR_ALL = 180
"""So many that each of three units gets some."""


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.skipif(find_spec("pynq") is None, reason="PYNQ is not installed")
def test_real_samples_through_both_backends(emulated: Path, build: Path, capsys):
    places = ("--bitstreams", str(emulated.parents[1]), "--build", str(build))
    code = cli.run(options("--samples", str(SAMPLES), "--units", "2", "--json", *places))
    tree = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [one["backend"] for one in tree["backends"]] == ["xrt", "pynq"]
    for one in tree["backends"]:
        assert (one["samples"], one["mismatches"]) == (SAMPLES, 0)
        assert one["seconds"] > 0
        assert sum(unit["results"] for unit in one["counters"].values()) == SAMPLES
    assert json.loads((build / "reports" / "emulation.json").read_text()) == tree


@pytest.mark.skipif(find_spec("pynq") is None, reason="PYNQ is not installed")
def test_samples_on_every_unit_of_another_board(emulated: Path, build: Path):
    board = find("u55c")
    task = tiny_task(SAMPLES_FOR_ALL)
    other = dataclasses.replace(task.machine, board=board.name)
    task = dataclasses.replace(task, machine=other, units=board.units, backends=RUNTIMES)
    found = emulate(task, emulated.parents[1], build)
    assert found.passed
    assert f"-{board.name}-" in Path(found.figures["bitstream"]).parent.name
    for one in found.outcomes:
        assert len(one.counters) == board.units
        assert all(unit["results"] > 0 for unit in one.counters.values())


def test_a_sample_that_differs_is_a_mismatch(emulated: Path, build: Path, monkeypatch):
    task = tiny_task()
    from twofold.sim.emulation import emulate as module

    def other(quantized, inputs, **options):
        golden = module_forward(quantized, inputs, **options)
        logits = golden.logits.copy()
        logits[3, 0] += 1
        return dataclasses.replace(golden, logits=logits)

    module_forward = module.forward
    monkeypatch.setattr(module, "forward", other)
    found = emulate(task, emulated.parents[1], build)
    assert not found.passed
    assert [one.mismatches for one in found.outcomes] == [1]


@pytest.mark.usefixtures("emulated")
def test_a_host_that_fails_is_told_in_one_line(build: Path, tmp_path: Path, monkeypatch):
    damaged = tmp_path / BINARY
    damaged.write_bytes(b"xclbin2\0" + bytes(1000))
    monkeypatch.setattr("twofold.sim.emulation.emulate.write_bitstream", lambda *_: damaged)
    with pytest.raises(ToolError, match=r"host on xrt ended with 5: twofold: .*xclbin") as error:
        emulate(tiny_task(), tmp_path, build)
    assert "\n" not in str(error.value)


def tiny_task(samples: int = SAMPLES) -> Task:
    network = shipped("tiny", "fast")
    workload = choose(QuantizedNetwork.load(network), samples=samples)
    assert workload.inputs.dtype == np.uint8
    return Task(
        network=network,
        machine=machine("tiny-fast-small"),
        inputs=workload.inputs,
        units=2,
        backends=("xrt",),
    )
