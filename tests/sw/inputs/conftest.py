"""Networks that take each kind of input."""

from dataclasses import replace

import pytest

from twofold.hw.contract import presets
from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.sim.workloads.random_network import random_quantized
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped


def plain(name: str, shape: tuple[int, int, int], labels: tuple[str, ...]) -> QuantizedNetwork:
    layers = (Conv2d(out_channels=2, kernel=(2, 2)), Linear(out_features=len(labels)))
    return random_quantized(Network(name, shape, layers, labels), 1)


@pytest.fixture(scope="session")
def speech() -> QuantizedNetwork:
    return QuantizedNetwork.load(shipped("gsc", "fast"))


@pytest.fixture(scope="session")
def digits() -> QuantizedNetwork:
    return QuantizedNetwork.load(shipped("tiny", "fast"))


@pytest.fixture(scope="session")
def array() -> QuantizedNetwork:
    """Takes [1, 8, 8], which is also the shape of digits, and says that it is an array."""
    return random_quantized(presets.network("tiny"), 3)


@pytest.fixture(scope="session")
def coloured() -> QuantizedNetwork:
    """Takes pictures [3, 4, 6], classes cat and dog."""
    return replace(plain("pets", (3, 4, 6), ("cat", "dog")), input={"kind": "picture"})
