"""Networks with as many outputs as anyone wants, with labels and raw, on everything that runs them:
golden model, CPU engine, devices behind the driver, and the machine in RTL, to the cycle.
"""

from pathlib import Path

import numpy as np
import pytest

from twofold.hw.contract.arith import argmax
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding, plans
from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network
from twofold.hw.contract.parameters import ParameterStatus
from twofold.hw.solve.timeline import sample_times
from twofold.sim.devices import open_golden
from twofold.sim.rtl.rows import row_counts
from twofold.sim.rtl.simulated import SimulatedMachine
from twofold.sim.workloads.random_network import random_inputs, random_quantized, with_outputs
from twofold.sw.cpu import CpuEngine, available_isas
from twofold.sw.driver import Accelerator
from twofold.sw.driver.cpu import open_cpu
from twofold.sw.golden import forward
from twofold.sw.pack.packer import pack

SAMPLES = 12
CONV = Conv2d(out_channels=4, kernel=(2, 2), stride=2, k=3)
HIDDEN = Linear(out_features=8, k=3, sparsity=Complementary(4))
STREAMED = Network("behind-winners", (1, 4, 4), (CONV, HIDDEN, Linear(out_features=2)), ("a", "b"))
PLAIN = Network("behind-pixels", (1, 4, 4), (CONV, Linear(out_features=2)), ("a", "b"))
SIZES = [(count, labelled) for count in (1, 10, 15, 16, 35, 100, 640) for labelled in (True, False)]
MACHINES = [
    (STREAMED, 10, True, 5, 5),
    (STREAMED, 15, True, 5, 1),
    (PLAIN, 16, True, 4, 2),
    (STREAMED, 16, False, 4, 4),
    (STREAMED, 35, True, 7, 7),
    (PLAIN, 35, False, 5, 1),
    (STREAMED, 100, True, 20, 10),
    (PLAIN, 640, True, 32, 32),
    (STREAMED, 640, False, 4, 4),
]
"""Shape, outputs, labelled, lanes and drain of the last layer."""


def folding_of(network: Network, lanes: int, drain: int) -> Folding:
    hidden = [ScatterFolding(engines=1, lanes=4, drain=2)] * (len(network.layers) - 2)
    last = ScatterFolding(engines=1, lanes=lanes, drain=drain)
    return Folding(
        (GatherFolding(rows=1, cols=2, streams=2), *hidden, last), input_bytes=4, frames=4
    )


@pytest.mark.parametrize(("outputs", "labelled"), SIZES)
def test_every_engine_in_software(outputs: int, labelled: bool):
    quantized = random_quantized(with_outputs(STREAMED, outputs, labelled=labelled), outputs)
    inputs = random_inputs(quantized.network, 70, outputs)
    golden = forward(quantized, inputs)
    assert golden.logits.shape == (70, outputs)
    assert len(np.unique(golden.logits, axis=0)) > 20, "samples can be told apart"
    expected = [argmax(row.tolist()) for row in golden.logits] if labelled else None
    assert expected == (None if golden.labels is None else golden.labels.tolist())
    for isa in available_isas():
        with CpuEngine(quantized, 2, isa) as engine:
            logits, labels = engine.infer(inputs)
        assert (logits == golden.logits).all(), isa
        assert expected == (None if labels is None else labels.tolist()), isa


@pytest.mark.parametrize(("outputs", "labelled"), SIZES)
@pytest.mark.parametrize("opener", [open_golden, open_cpu])
def test_devices_behind_the_driver(opener, outputs: int, labelled: bool):
    """Runs of few samples on two units, so that results are put together from many."""
    network = with_outputs(STREAMED, outputs, labelled=labelled)
    quantized, folding = random_quantized(network, 3), folding_of(network, outputs, outputs)
    inputs = random_inputs(network, 70, outputs)
    golden = forward(quantized, inputs)
    with Accelerator(opener(network, folding, units=2), launch_samples=9) as accelerator:
        assert accelerator.machine.row.outputs == outputs
        accelerator.load(quantized, folding)
        with accelerator.buffer(70) as batch:
            batch.write(inputs[:, 0])
            for sent in (inputs, batch, inputs[:, 0]):
                logits, labels = accelerator.infer(sent)
                assert (logits == golden.logits).all()
                assert (labels is None) == (golden.labels is None) == (not labelled)
                if golden.labels is not None:
                    assert (labels == golden.labels).all()


@pytest.mark.parametrize(("shape", "outputs", "labelled", "lanes", "drain"), MACHINES)
def test_the_machine_equals_the_golden_model(
    build: Path, shape: Network, outputs: int, labelled: bool, lanes: int, drain: int
):
    """Results in order and whole, whatever holds them up; and in the planned cycles, if nothing."""
    network = with_outputs(shape, outputs, labelled=labelled)
    quantized, folding = random_quantized(network, 5), folding_of(network, lanes, drain)
    inputs = random_inputs(network, SAMPLES, 7)
    golden = forward(quantized, inputs)
    times = sample_times(network, folding, row_counts(network, folding, golden))
    with SimulatedMachine.build(network, folding, build, optimise=False) as machine:
        assert machine.load(pack(quantized, folding)) == ParameterStatus.OK
        for gap, stall in ((0.0, 0.0), (0.4, 0.6), (0.0, 0.95)):
            run = machine.run(inputs, seed=3, gap=gap, stall=stall)
            assert (run.logits == golden.logits).all()
            assert (run.labels is None) == (not labelled)
            if golden.labels is not None:
                assert (run.labels == golden.labels).all()
            if not stall:
                found = list(zip(run.started.tolist(), run.finished.tolist(), strict=True))
                assert found == [(sample.started, sample.finished) for sample in times]


@pytest.mark.parametrize(("shape", "outputs", "labelled", "lanes", "drain"), MACHINES)
def test_results_do_not_slow_a_machine_down(
    shape: Network, outputs: int, labelled: bool, lanes: int, drain: int
):
    network = with_outputs(shape, outputs, labelled=labelled)
    folding = folding_of(network, lanes, drain)
    times = sample_times(network, folding, 40)
    mean = (times[-1].finished - times[19].finished) / 20
    assert mean <= max(plan.cycles for plan in plans(network, folding))


def test_raw_outputs_are_another_machine():
    with_label, raw = (with_outputs(PLAIN, 16, labelled=labelled) for labelled in (True, False))
    folding = folding_of(raw, 4, 4)
    assert fingerprint(with_label, folding) != fingerprint(raw, folding)
