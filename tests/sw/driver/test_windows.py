"""Windows on frames: what is read where it lies, and what has to be copied."""

import numpy as np
import pytest

from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding
from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.sim.workloads.random_network import random_inputs, random_quantized
from twofold.sw.driver import Accelerator
from twofold.sw.driver.cpu import open_cpu
from twofold.sw.driver.software import SoftwareUnit
from twofold.sw.driver.windows import windows
from twofold.sw.golden import forward

CONV = Conv2d(out_channels=4, kernel=(2, 2), stride=2, k=3)


@pytest.mark.parametrize(
    ("hop", "stride"), [(2, 64), (4, 128), (30, 960), (1, 0), (3, 0), (32, 0), (64, 0)]
)
def test_strides_of_a_spectrogram(hop, stride):
    """Windows of 32 frames of 32 bytes."""
    frames = np.arange(32 * 200, dtype=np.uint8).reshape(200, 32)
    found = windows(frames, hop, (1, 32, 32), 1024)
    assert found.stride == stride
    assert len(found.rows) == (200 - 32) // hop + 1
    np.testing.assert_array_equal(found.rows[1, 0], frames[hop : hop + 32])
    if stride:
        np.testing.assert_array_equal(found.part(1, 3), frames[hop : hop + 2 * hop + 32].ravel())
    else:
        assert found.part(1, 2).shape == (2, 1, 32, 32)


def test_channels_lie_apart():
    frames = np.arange(3 * 20 * 64, dtype=np.uint8).reshape(3, 20, 64)
    found = windows(frames, 5, (3, 10, 64), 1920)
    assert found.stride == 0
    np.testing.assert_array_equal(found.rows[2], frames[:, 10:20])
    assert found.part(0, 2).shape == (2, 3, 10, 64)


@pytest.fixture
def asked(monkeypatch) -> list[tuple[int, int]]:
    """Samples and stride of every run of a device in software."""
    seen: list[tuple[int, int]] = []
    queue = SoftwareUnit.queue

    def spy(unit, arguments, samples, stride):
        seen.append((samples, stride))
        return queue(unit, arguments, samples, stride)

    monkeypatch.setattr(SoftwareUnit, "queue", spy)
    return seen


@pytest.mark.parametrize("channels", [1, 2])
def test_overlapping_windows_have_the_golden_models_bits(asked, channels):
    """In one channel the kernel's stride does it; two are copied window by window."""
    shape = Network("windows", (channels, 8, 32), (CONV, Linear(out_features=3)), ("a", "b", "c"))
    quantized = random_quantized(shape, 3)
    folding = Folding((GatherFolding(cols=2), ScatterFolding(lanes=3, drain=3)), input_bytes=4)
    frames = random_inputs(shape, 40, 5).transpose(1, 0, 2, 3).reshape(channels, -1, 32)
    each = np.stack([frames[:, at : at + 8] for at in range(0, frames.shape[1] - 7, 2)])
    golden = forward(quantized, each, keep_activations=False)
    with Accelerator(open_cpu(shape, folding, threads=1)) as accelerator:
        accelerator.load(quantized, folding)
        asked.clear()
        logits, labels = accelerator.infer(frames, hop=2)
    np.testing.assert_array_equal(logits, golden.logits)
    assert labels is not None and golden.labels is not None
    np.testing.assert_array_equal(labels, golden.labels)
    assert {stride for _, stride in asked} == {64 if channels == 1 else 0}
    assert sum(samples for samples, _ in asked) == len(each) == 157
