"""Engines for a GPU on the processor: right logits, no silent fallback, their own memory."""

from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch

from twofold.sw.bench.engines.onnxruntime_cuda import CUDA
from twofold.sw.bench.engines.onnxruntime_tensorrt import TENSORRT
from twofold.sw.bench.engines.pytorch_cuda import PyTorchCuda, Resident
from twofold.sw.bench.gpu import sessions
from twofold.sw.bench.gpu.half import TWO_FOUR
from twofold.sw.bench.gpu.sessions import Provider, Sessions
from twofold.sw.bench.job import Engine, Placing, RefusedError
from twofold.sw.bench.measure import AGREEMENT, LIMITS, compare

PROCESSOR = Provider("CPUExecutionProvider")


class Memory:
    """Copies arrays, and remembers the copies."""

    def __init__(self) -> None:
        self.held: list[np.ndarray] = []

    def __call__(self, array: np.ndarray) -> np.ndarray:
        self.held.append(array.copy())
        return self.held[-1]


def session_engine(provider: Provider = PROCESSOR) -> Sessions:
    return Sessions(provider, "a card", Memory())


def checked(engine: Engine, job, name: str, precision: str) -> None:
    """Run all samples in blocks, as the worker does; the second time from the engine's memory."""
    made, inputs, right = job(name, precision)
    run = engine.load(made)
    assert isinstance(run, Placing)
    blocks = np.split(inputs, len(inputs) // made.batch)
    for placed in (lambda block: block, run.placed):
        found = np.concatenate([run(placed(block)).copy() for block in blocks])
        error, agreement = compare(found.astype(float), right)
        assert error <= LIMITS[precision]
        assert agreement >= AGREEMENT
    assert np.array_equal(run.placed(inputs), inputs)


@pytest.mark.parametrize("name", ["dense", "pruned"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_sessions_give_the_right_logits(job, name: str, precision: str):
    checked(session_engine(), job, name, precision)


@pytest.mark.parametrize("name", ["dense", "pruned", "regular"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_pytorch_gives_the_right_logits(job, name: str, precision: str):
    checked(PyTorchCuda("cpu"), job, name, precision)


def test_compressed_layers_are_those_that_are_two_four(job):
    shapes = []

    def compress(weight: torch.Tensor) -> torch.Tensor:
        shapes.append((weight.dtype, tuple(weight.shape)))
        return weight

    checked(PyTorchCuda("cpu", compress), job, "regular", TWO_FOUR)
    assert shapes == [(torch.float16, (64, 64))]
    shapes.clear()
    checked(PyTorchCuda("cpu", compress), job, "regular", "fp16")
    assert shapes == []


def test_two_four_needs_a_device_that_multiplies_it(job):
    made, _, _ = job("regular", TWO_FOUR)
    with pytest.raises(RefusedError, match=r"compute capability 8\.0"):
        PyTorchCuda("cpu").load(made)
    with pytest.raises(RefusedError, match="does not say whether"):
        session_engine().load(made)


def test_pytorch_refuses_integers(job):
    with pytest.raises(RefusedError, match="no quantized convolutions"):
        PyTorchCuda("cpu").load(job("dense", "int8")[0])


def test_pytorch_is_as_exact_as_it_says():
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    PyTorchCuda("cpu")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_pytorch_without_a_gpu():
    with pytest.raises(RefusedError, match="finds no GPU"):
        PyTorchCuda()


def test_logits_go_to_memory_of_the_engine(job):
    made, inputs, _ = job("dense", "fp16", 8)
    memory = Memory()
    run = Sessions(PROCESSOR, "a card", memory).load(made)
    assert run(inputs[:8]) is memory.held[0]
    assert (memory.held[0].dtype, memory.held[0].shape) == (np.float16, (8, 10))
    first = memory.held[0].copy()
    run(inputs[8:16])
    assert not np.array_equal(first, memory.held[0])
    assert isinstance(run, Placing)
    assert run.placed(inputs) is memory.held[1]


def test_resident_logits_stay_in_one_place():
    run = Resident(lambda x: 2 * x, np.zeros((2, 3), np.float32), torch.device("cpu"))
    first = run(np.ones((2, 3), np.float32))
    assert first.tolist() == [[2.0] * 3] * 2
    assert run(np.zeros((2, 3), np.float32)).ctypes.data == first.ctypes.data


def test_sessions_are_made_for_a_batch(job):
    made, inputs, _ = job("dense", "fp32", 8)
    run = session_engine().load(made)
    with pytest.raises(Exception, match=r"(?i)dimension"):
        run(inputs[:7])


def test_integer_models_in_floating_point_are_refused(job):
    floats, _, _ = job("dense", "fp32")
    disguised = floats.from_json({**floats.to_json(), "precision": "int8"})
    with pytest.raises(RefusedError, match="falls back to floating point in conv1"):
        session_engine().load(disguised)


def test_what_a_provider_does_not_get_is_refused(job):
    made, _, _ = job("dense", "int8")
    provider = Provider(PROCESSOR.name, refused=TENSORRT.refused)
    with pytest.raises(RefusedError, match="no integer kernels for unsigned activations"):
        session_engine(provider).load(made)
    checked(session_engine(provider), job, "dense", "fp32")


@pytest.mark.parametrize("provider", [CUDA, TENSORRT])
def test_runtime_without_the_provider_says_what_it_needs(provider: Provider):
    if provider.name in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has it")
    with pytest.raises(RefusedError, match="needs the Python package 'onnxruntime-gpu'"):
        session_engine(provider)


def opened_by(monkeypatch: pytest.MonkeyPatch, *started: str) -> list:
    """Play an ONNX Runtime of which only some providers start; returns what it was asked for."""
    asked = []

    def opened(job, options, providers):
        asked.append((options.get_session_config_entry, providers))
        found = onnxruntime.InferenceSession(str(job.model))
        found.get_providers = lambda: list(started)
        return found

    monkeypatch.setattr(sessions, "opened", opened)
    monkeypatch.setattr(
        sessions.onnxruntime, "get_available_providers", lambda: [CUDA.name, TENSORRT.name]
    )
    return asked


def test_providers_that_do_not_start_are_refused(job, monkeypatch):
    made, _, _ = job("dense", "fp32")
    opened_by(monkeypatch, "CPUExecutionProvider")
    with pytest.raises(RefusedError, match="CUDAExecutionProvider does not start"):
        session_engine(CUDA).load(made)


@pytest.mark.parametrize(("precision", "flag"), [("fp32", "False"), ("fp16", "True")])
def test_tensorrt_rounds_only_models_in_float16(job, monkeypatch, precision: str, flag: str):
    asked = opened_by(monkeypatch, TENSORRT.name)
    session_engine(TENSORRT).load(job("dense", precision)[0])
    ((entry, providers),) = asked
    assert providers == [(TENSORRT.name, {"device_id": "0", "trt_fp16_enable": flag})]
    assert entry("session.disable_cpu_ep_fallback") == "1"


def test_first_gpu_and_its_memory(monkeypatch):
    card = SimpleNamespace(cards=["First", "Second"], page_locked=Memory())
    monkeypatch.setattr(sessions, "driver", lambda: card)
    assert sessions.on_first_gpu(PROCESSOR).device == "First"
    monkeypatch.setattr(sessions, "driver", lambda: None)
    with pytest.raises(RefusedError, match="finds no NVIDIA GPU"):
        sessions.on_first_gpu(PROCESSOR)
