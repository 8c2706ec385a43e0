"""A network of speech on the CPU engine, and sound for it."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from twofold.hw.contract.shipped import machine
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped_file
from twofold.sw.data.features import HOP, log_power
from twofold.sw.data.frontend import stream
from twofold.sw.data.speech import speak
from twofold.sw.driver import Accelerator
from twofold.sw.driver.cpu import open_cpu
from twofold.sw.golden import forward


@pytest.fixture(scope="session")
def network() -> QuantizedNetwork:
    return QuantizedNetwork.load(shipped_file("gsc-fast"))


@pytest.fixture(scope="module")
def accelerator(network) -> Iterator[Accelerator]:
    folding = machine("gsc-fast-small").folding
    with Accelerator(open_cpu(network.network, folding, threads=1, units=2)) as opened:
        opened.load(network, folding)
        yield opened


@pytest.fixture(scope="session")
def sound() -> np.ndarray:
    """Words with gaps over a little noise: float32 [n] at 16 kHz, 12 s."""
    gap = np.zeros(8000, np.float32)
    words = [np.append(speak(word), gap) for word in ("yes", "stop", "left", "go", "no", "up")]
    together = np.concatenate([gap, *words, np.zeros(40_000, np.float32)])
    noise = np.random.default_rng(3).normal(0, 1e-3, len(together))
    return (together + noise).astype(np.float32)


@pytest.fixture(scope="session")
def expected(network) -> Callable[..., np.ndarray]:
    """Logits of every window of a whole recording, by the golden model."""

    def logits(samples: np.ndarray, every: int = 2) -> np.ndarray:
        windows = stream(log_power(samples[None], HOP)[0], network.front_end)[:: every // 2]
        return forward(network, windows, keep_activations=False).logits

    return logits
