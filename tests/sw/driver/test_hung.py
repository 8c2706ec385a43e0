"""Runs that hang while the accelerator is closed, loaded or collected, on a device that is told
when its runs end.
"""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from twofold.hw.contract.parameters import ParameterStatus
from twofold.sim.devices import open_golden
from twofold.sw.driver import Accelerator, accelerator, slot
from twofold.sw.driver.cpu import open_cpu
from twofold.sw.driver.software import Classified, MemoryBuffer, SoftwareDevice
from twofold.sw.errors import DeviceBusyError, DeviceLostError, DeviceTimeoutError

LONG = 20.0
"""Seconds after which a test gives up: nothing below waits that long."""


class Held:
    """An engine whose runs wait until they are let go, and then answer with zeros."""

    def __init__(self, outputs: int) -> None:
        self.outputs = outputs
        self.let_go, self.running, self.closed = (threading.Event() for _ in range(3))

    def load(self, image: bytes) -> ParameterStatus:
        return ParameterStatus.OK if image else ParameterStatus.BAD_LENGTH

    def run(self, inputs: np.ndarray) -> Classified:
        self.running.set()
        assert self.let_go.wait(LONG)
        zeros = np.zeros((len(inputs), self.outputs), np.int32)
        return Classified(zeros, zeros[:, 0])

    def close(self) -> None:
        self.closed.set()


def until(true: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def freed(monkeypatch: pytest.MonkeyPatch) -> list[MemoryBuffer]:
    """Buffers that were freed, in order."""
    found: list[MemoryBuffer] = []
    monkeypatch.setattr(MemoryBuffer, "free", lambda buffer: found.append(buffer))
    return found


@pytest.fixture
def held(quantized, folding, monkeypatch) -> Iterator[tuple[Held, SoftwareDevice]]:
    monkeypatch.setattr(slot, "_kept", [])
    monkeypatch.setattr(accelerator, "CLOSE_SECONDS", 0.2)
    monkeypatch.setattr(slot.Lifetime, "PATIENCE", 0.1)
    engine = Held(quantized.network.outputs)
    device = SoftwareDevice("held", quantized.network, folding, lambda: engine, timeout=LONG)
    yield engine, device
    engine.let_go.set()
    device.close()


def test_a_device_is_closed_by_the_last_run(held, quantized, folding, inputs, freed):
    """`close` does not wait for ever, nor takes the memory of a run that is still under way."""
    engine, device = held
    accelerator = Accelerator(device)
    accelerator.load(quantized, folding)
    batch = accelerator.buffer(10)
    first, second = accelerator.submit(batch), accelerator.submit(inputs[:10])
    assert engine.running.wait(LONG)
    loaded = len(freed)
    accelerator.close()
    assert not engine.closed.is_set() and len(freed) == loaded
    with pytest.raises(DeviceBusyError, match="opened already"):
        Accelerator(device)
    engine.let_go.set()
    assert engine.closed.wait(LONG)
    logits, _ = accelerator.result(first, LONG)
    assert not logits.any()
    until(lambda: len(freed) == loaded + 4)  # after the device is closed
    assert second.done
    batch.free()
    assert len(freed) == loaded + 4


def test_a_hung_run_keeps_its_memory_and_its_device(held, quantized, folding, freed):
    engine, device = held
    accelerator = Accelerator(device, timeout=0.2)
    accelerator.load(quantized, folding)
    loaded = len(freed)
    with accelerator.buffer(10) as batch:
        with pytest.raises(DeviceTimeoutError, match=r"within 0\.2 s; end this process"):
            accelerator.infer(batch)
        with pytest.raises(DeviceTimeoutError, match="end this process"):
            accelerator.load(quantized, folding)
    accelerator.close()
    assert len(freed) == loaded and not engine.closed.is_set()
    assert slot._kept
    with pytest.raises(DeviceBusyError):
        Accelerator(device)


def test_a_hung_load_keeps_its_image(held, quantized, folding, freed, monkeypatch):
    engine, device = held
    monkeypatch.setattr(engine, "load", lambda _: engine.let_go.wait(LONG) and ParameterStatus.OK)
    with Accelerator(device, timeout=0.1) as accelerator:
        with pytest.raises(DeviceTimeoutError, match="an image of"):
            accelerator.load(quantized, folding)
        assert not freed and slot._kept


def test_what_is_submitted_waits_for_a_load(held, quantized, folding, inputs):
    """And a load for what was submitted before."""
    engine, device = held
    done: list[str] = []
    with Accelerator(device) as accelerator:
        accelerator.load(quantized, folding)
        accelerator.submit(inputs[:5])
        assert engine.running.wait(LONG)

        def load() -> None:
            accelerator.load(quantized, folding)
            done.append("loaded")

        def submit() -> None:
            accelerator.submit(inputs[:5])
            done.append("submitted")

        threads = [threading.Thread(target=work) for work in (load, submit)]
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        assert not done
        engine.let_go.set()
        for thread in threads:
            thread.join(LONG)
        assert done == ["loaded", "submitted"]


def test_loading_while_others_infer(quantized, folding, inputs, golden):
    """Every batch is computed by a whole network, never during a load."""
    errors: list[Exception] = []
    with Accelerator(open_cpu(quantized.network, folding, threads=1)) as accelerator:
        accelerator.load(quantized)
        ended = threading.Event()

        def infer() -> None:
            while not ended.is_set():
                try:
                    assert (accelerator.infer(inputs)[0] == golden.logits).all()
                except Exception as error:
                    errors.append(error)
                    return

        threads = [threading.Thread(target=infer) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            accelerator.load(quantized)
        ended.set()
        for thread in threads:
            thread.join(LONG)
    assert not errors


def test_collected_accelerators_leave_no_threads(quantized, folding, inputs):
    before = threading.active_count()
    for number in range(10):
        opened = Accelerator(open_cpu(quantized.network, folding, threads=2))
        opened.load(quantized)
        opened.infer(inputs[:100])
        if number % 2:  # one in a cycle is found by the collector alone
            opened.itself = opened  # pyright: ignore[reportAttributeAccessIssue]
        gone = weakref.ref(opened)
        del opened
        gc.collect()
        assert gone() is None
    end = time.monotonic() + LONG
    while threading.active_count() > before:
        assert time.monotonic() < end, threading.enumerate()
        time.sleep(0.01)


def test_tickets_of_a_collected_accelerator_end(quantized, folding, inputs):
    opened = Accelerator(open_golden(quantized.network, folding), lanes=1)
    opened.load(quantized)
    tickets = [opened.submit(inputs) for _ in range(20)]
    del opened
    gc.collect()
    with pytest.raises(DeviceLostError, match="closed before the run"):
        tickets[-1].wait(LONG)
    assert all(ticket.wait_ended() is None for ticket in tickets)
