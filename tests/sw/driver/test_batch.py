"""Batches in place, and arguments of the wrong kind: one line each, on every device the same."""

import numpy as np
import pytest

from twofold.hw.contract.errors import ParameterError
from twofold.sw.driver import Accelerator
from twofold.sw.driver.accelerator import BATCH_BYTES_MAX
from twofold.sw.driver.cpu import open_cpu
from twofold.sw.errors import ArtefactError, DeviceBusyError, DeviceError


class Tensor:
    """Looks like an array, as tensors do."""

    shape, ndim, dtype = (3, 8, 8), 3, "torch.uint8"


@pytest.mark.parametrize(
    "wrong",
    [[[[0] * 8] * 8], Tensor(), None, "text", b"bytes", np.uint8(3), range(3)],
    ids=lambda wrong: type(wrong).__name__,
)
def test_what_is_no_array(loaded, wrong):
    with pytest.raises(ArtefactError, match=r"needs a NumPy array uint8\[samples, 8, 8\]"):
        loaded.infer(wrong)
    with (
        loaded.buffer(3) as batch,
        pytest.raises(ArtefactError, match=r"NumPy array uint8\[3, 8, 8\]"),
    ):
        batch.write(wrong)


def test_a_freed_batch_is_not_sent(loaded, inputs):
    batch = loaded.buffer(70)
    batch.write(inputs[:70, 0])
    batch.free()
    batch.free()
    for use in (lambda: loaded.submit(batch), lambda: batch.write(inputs[:70, 0])):
        with pytest.raises(DeviceError, match=r"batch was freed; make a new one with buffer\(\)"):
            use()
    assert batch.views == ()


def test_a_batch_belongs_to_one_accelerator(quantized, folding):
    def loaded() -> Accelerator:
        accelerator = Accelerator(open_cpu(quantized.network, folding, threads=1))
        accelerator.load(quantized)
        return accelerator

    with loaded() as first, loaded() as second, first.buffer(4) as batch:
        with pytest.raises(DeviceError, match="another accelerator's"):
            second.submit(batch)
        first.infer(batch)


@pytest.mark.parametrize("samples", [BATCH_BYTES_MAX // 64 + 1, 1 << 62, 1 << 80])
def test_buffers_beyond_the_memory_of_a_card(loaded, samples):
    with pytest.raises(DeviceError, match="64 GiB"):
        loaded.buffer(samples)


@pytest.mark.parametrize("size", [1 << 62, 1 << 70])
def test_memory_that_there_is_not(quantized, folding, size):
    device = open_cpu(quantized.network, folding, threads=1)
    with pytest.raises(DeviceError, match="no memory for a buffer"):
        device.units[0].allocate(size)
    device.close()


@pytest.mark.parametrize("samples", [0, -3, 1.5, float("nan"), "7", None])
def test_numbers_of_samples(loaded, samples):
    with pytest.raises(DeviceError, match=r"needs (1 or more|a whole number)"):
        loaded.buffer(samples)


def test_a_batch_under_way_is_not_sent_again(loaded, inputs, golden):
    """Its run is held back, so that it is under way for certain."""
    with loaded.buffer(10) as batch:
        batch.write(inputs[:10, 0])
        (part,) = batch.parts
        with part.slot.run.alive():
            ticket = loaded.submit(batch)
            with pytest.raises(DeviceBusyError, match="wait for its result"):
                loaded.submit(batch)
        logits, _ = loaded.result(ticket, 60.0)
        assert (logits == golden.logits[:10]).all()
        loaded.infer(batch)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_waits_that_are_none(loaded, inputs, seconds):
    ticket = loaded.submit(inputs[:1])
    with pytest.raises(DeviceError, match="needs 0 or more"):
        loaded.result(ticket, seconds)
    loaded.result(ticket, float("inf"))


def test_tickets_and_networks_of_the_wrong_kind(loaded, inputs):
    with pytest.raises(DeviceError, match="a int in place of a ticket"):
        loaded.result(3)
    for wrong in (None, "file.npz", bytearray(64), inputs):
        with pytest.raises(ParameterError, match="needs a quantized network"):
            loaded.load(wrong)


@pytest.mark.parametrize(
    "options",
    [{"lanes": 0}, {"lanes": 1.5}, {"launch_samples": "many"}, {"launch_samples": -1},
     {"timeout": 0.0}, {"timeout": -1.0}, {"timeout": float("nan")}],
    ids=str,
)  # fmt: skip
def test_options_of_an_accelerator(quantized, folding, options):
    """And the device is free again after a refusal."""
    device = open_cpu(quantized.network, folding, threads=1)
    with pytest.raises(DeviceError, match=next(iter(options))):
        Accelerator(device, **options)
    Accelerator(device).close()


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_batch_is_split_over_all_lanes(quantized, folding, inputs, lanes):
    with Accelerator(open_cpu(quantized.network, folding, threads=1), lanes=lanes) as accelerator:
        accelerator.load(quantized)
        before = accelerator.counters()["cpu/cpu_1"]["runs"]
        accelerator.infer(inputs)
        assert accelerator.counters()["cpu/cpu_1"]["runs"] - before == lanes
