"""Devices in software: several at once, runs that take too long, and ends in mid-run."""

import pytest

from twofold.hw.contract import presets
from twofold.sim.devices import open_golden
from twofold.sw.driver import Accelerator
from twofold.sw.driver.cpu import open_cpu
from twofold.sw.errors import DeviceLostError, DeviceTimeoutError, WrongPlatformError


def test_several_devices_share_a_batch(quantized, folding, inputs, golden):
    network = quantized.network
    devices = open_cpu(network, folding, threads=1, units=3), open_golden(network, folding, units=2)
    with Accelerator(*devices) as accelerator:
        assert accelerator.units == 5
        accelerator.load(quantized)
        logits, _ = accelerator.infer(inputs)
        assert (logits == golden.logits).all()
        assert sum(unit["results"] > 0 for unit in accelerator.counters().values()) == 5


def test_devices_with_different_machines(quantized, folding):
    network = quantized.network
    other = presets.folding("tiny", "fast", "full")
    devices = open_golden(network, folding), open_golden(network, other)
    with pytest.raises(WrongPlatformError, match="same bitstream on every card"):
        Accelerator(*devices)


def test_a_run_that_hangs_ends_with_a_timeout(quantized, folding, inputs):
    accelerator = Accelerator(open_golden(quantized.network, folding), timeout=1e-6)
    with accelerator, pytest.raises(DeviceTimeoutError, match=r"within 1e-06 s; end this process"):
        accelerator.load(quantized)
        accelerator.infer(inputs)


def test_waiting_too_short_is_not_the_end(quantized, folding, inputs, golden):
    with Accelerator(open_golden(quantized.network, folding)) as accelerator:
        accelerator.load(quantized)
        ticket = accelerator.submit(inputs)
        with pytest.raises(DeviceTimeoutError, match="ask again"):
            accelerator.result(ticket, 1e-9)
        logits, _ = accelerator.result(ticket)
        assert (logits == golden.logits).all()


def test_closing_gives_up_what_waits(quantized, folding, inputs):
    accelerator = Accelerator(open_golden(quantized.network, folding), lanes=1)
    accelerator.load(quantized)
    tickets = [accelerator.submit(inputs) for _ in range(20)]
    accelerator.close()
    assert all(ticket.done for ticket in tickets)
    with pytest.raises(DeviceLostError, match="closed"):
        accelerator.result(tickets[-1])


def test_memory_is_not_shared_where_a_transfer_is_forgotten(quantized, folding):
    """The golden device's card has memory of its own, so that tests see missing transfers."""
    device = open_golden(quantized.network, folding)
    memory = device.units[0].allocate(64)
    memory.data[:] = 1
    memory.to_host(64)
    assert memory.data[:65].tolist() == [0] * 64 + [1]
    device.close()
