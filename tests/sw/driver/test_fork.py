"""Objects in a forked child: a line instead of a wait without end, and the parent goes on."""

import os
import signal
import warnings
from collections.abc import Callable

import pytest

from twofold.hw.contract.errors import ToolError
from twofold.sw.cpu import CpuEngine
from twofold.sw.driver import Accelerator
from twofold.sw.driver.cpu import open_cpu
from twofold.sw.errors import DeviceError

SECONDS = 20


def in_child(work: Callable[[], object]) -> str:
    """What ``work`` raises, or returns, in a fork; ``killed`` if that does not end."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python itself warns of a fork beside threads
        child = os.fork()
    if not child:
        signal.alarm(SECONDS)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        try:
            text = repr(work())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writer, text.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        text = file.read().decode()
    _, status = os.waitpid(child, 0)
    return text if os.WIFEXITED(status) else "killed"


@pytest.fixture
def opened(quantized, folding):
    with Accelerator(open_cpu(quantized.network, folding, threads=2)) as accelerator:
        accelerator.load(quantized)
        yield accelerator


def test_every_call_says_whose_it_is(opened, quantized, inputs, golden):
    batch, ticket = opened.buffer(10), opened.submit(inputs)
    calls = {
        "this accelerator": (
            lambda: opened.infer(inputs), lambda: opened.submit(batch), lambda: opened.buffer(3),
            lambda: opened.load(quantized), opened.counters,
        ),
        "this ticket": (lambda: opened.result(ticket), lambda: ticket.done),
        "this batch": (lambda: batch.write(inputs[:10, 0]),),
        "cpu_1": (lambda: opened.devices[0].units[0].queue(None, 1),),
    }  # fmt: skip
    for what, group in calls.items():
        for call in group:
            said = in_child(call)
            assert said.startswith(f"{DeviceError.__name__}: {what} belongs to process"), said
            assert str(os.getpid()) in said and "make a new one here" in said
    assert in_child(batch.free) == in_child(opened.close) == "None"
    assert (opened.result(ticket)[0] == golden.logits).all()
    assert (opened.infer(inputs)[0] == golden.logits).all()
    batch.free()


@pytest.mark.usefixtures("opened")
def test_a_child_opens_its_own(quantized, folding, inputs, golden):
    def work() -> bool:
        with Accelerator(open_cpu(quantized.network, folding, threads=2)) as accelerator:
            accelerator.load(quantized)
            return bool((accelerator.infer(inputs)[0] == golden.logits).all())

    assert in_child(work) == "True"


def test_an_engine_in_a_child(quantized, inputs, golden):
    with CpuEngine(quantized, threads=2) as engine:
        engine.infer(inputs)
        said = in_child(lambda: engine.infer(inputs))
        assert said.startswith(f"{ToolError.__name__}: the CPU engine belongs to process"), said
        assert in_child(engine.close) == "None"
        assert (engine.infer(inputs)[0] == golden.logits).all()
