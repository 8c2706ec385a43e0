from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.sim.workloads.random_network import random_inputs, random_quantized
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.bench.gpu.half import on_gpu
from twofold.sw.bench.job import Job
from twofold.sw.bench.subjects import SAMPLES, Subject, subject_of

NETWORK = Network(
    "regular",
    (1, 8, 8),
    (
        Conv2d(out_channels=16, kernel=(3, 3), pool=3),
        Linear(out_features=64),
        Linear(out_features=10),
    ),
    labels=(),
)


@pytest.fixture(scope="session")
def regular() -> QuantizedNetwork:
    """A network whose hidden linear layer is 2:4, and whose last one is not."""
    quantized = random_quantized(NETWORK, 3)
    layers = list(quantized.layers)
    weight = layers[1].weight.copy()
    weight.reshape(-1, 4)[:, 1:3] = 0
    layers[1] = replace(layers[1], weight=weight)
    return replace(quantized, layers=tuple(layers))


@pytest.fixture(scope="session")
def on_gpus(
    subjects: dict[str, Subject],
    regular: QuantizedNetwork,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Subject]:
    """The networks that ship, and the regular one, with all precisions for a GPU."""
    folder = tmp_path_factory.mktemp("gpu")
    inputs = random_inputs(NETWORK, SAMPLES, 3)
    every = {**subjects, "regular": subject_of("regular", regular, "here", inputs, folder)}
    return {name: on_gpu(subject, folder) for name, subject in every.items()}


@pytest.fixture
def job(on_gpus: dict[str, Subject], tmp_path: Path):
    """Makes the job of a network in a precision, with its inputs and its right logits."""

    def make(name: str, precision: str, batch: int = 16) -> tuple[Job, np.ndarray, np.ndarray]:
        subject = on_gpus[name]
        made = Job(
            name, precision, batch, 1, subject.models[precision], subject.operators,
            subject.artefact, tmp_path,
        )  # fmt: skip
        return made, np.load(subject.inputs[precision]), subject.logits[precision]

    return make
