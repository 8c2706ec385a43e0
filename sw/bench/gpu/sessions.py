"""ONNX Runtime on a GPU: what its execution providers share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime

from twofold.sw.bench.engines.onnxruntime import PROVIDER as PROCESSOR
from twofold.sw.bench.engines.onnxruntime import opened, session_options
from twofold.sw.bench.gpu.driver import driver
from twofold.sw.bench.gpu.half import HALF, TWO_FOUR
from twofold.sw.bench.job import Job, RefusedError, Run
from twofold.sw.bench.models import SAMPLES

Memory = Callable[[np.ndarray], np.ndarray]
"""Copies an array into the memory from which inputs are read and into which logits are written."""


@dataclass(frozen=True)
class Provider:
    """An execution provider.

    Parameters
    ----------
    name: in ONNX Runtime.
    settings: its options.
    half: further options for models in float16.
    refused: reasons for which it is not given a precision.
    """

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)
    half: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


class Sessions:
    """An engine: sessions for one batch size, wholly on one execution provider.

    Parameters
    ----------
    provider: the processor's serves tests.
    device: name of the GPU.
    memory: page-locked memory of the host.

    Raises RefusedError if this ONNX Runtime is built without the provider.
    """

    version: str = onnxruntime.__version__

    def __init__(self, provider: Provider, device: str, memory: Memory) -> None:
        if provider.name not in onnxruntime.get_available_providers():
            raise RefusedError(
                f"this ONNX Runtime has no {provider.name}: needs the Python package "
                "'onnxruntime-gpu' in the place of 'onnxruntime'"
            )
        self._provider = provider
        self._memory = memory
        self.device = device

    def load(self, job: Job) -> Run:
        provider = self._provider
        refused = {TWO_FOUR: "does not say whether its kernels leave out zeros", **provider.refused}
        if job.precision in refused:
            raise RefusedError(refused[job.precision])
        options = session_options(job.threads)
        options.add_free_dimension_override_by_name(SAMPLES, job.batch)
        if provider.name != PROCESSOR:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        settings = {**provider.settings, **(provider.half if job.precision == HALF else {})}
        session = opened(job, options, [(provider.name, settings)])
        if session.get_providers()[0] != provider.name:
            raise RefusedError(f"{provider.name} does not start: its libraries are missing")
        return Bound(session, job.batch, self._memory)


class Bound:
    """A session bound to memory of the host, as a `Run`; logits stay valid until the next call.

    Parameters
    ----------
    session: with one input ``[samples, ...]`` and one output ``[samples, classes]``.
    batch: samples per call.
    memory: as in `Sessions`.
    """

    def __init__(self, session: onnxruntime.InferenceSession, batch: int, memory: Memory) -> None:
        (source,), (result,) = session.get_inputs(), session.get_outputs()
        self._session, self._memory, self._source = session, memory, source.name
        kind = np.float16 if result.type == "tensor(float16)" else np.float32
        self._logits = memory(np.zeros((batch, result.shape[1]), kind))
        self._binding: Any = session.io_binding()
        self._binding.bind_output(
            result.name, "cpu", 0, kind, self._logits.shape, self._logits.ctypes.data
        )

    def placed(self, inputs: np.ndarray) -> np.ndarray:
        """A copy of ``inputs`` in page-locked memory."""
        return self._memory(inputs)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        # Binding copies to the device, so it belongs to the call.
        self._binding.bind_input(
            self._source, "cpu", 0, inputs.dtype, inputs.shape, inputs.ctypes.data
        )
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        return self._logits


def on_first_gpu(provider: Provider) -> Sessions:
    """An engine on the first GPU. Raises RefusedError if it cannot be used."""
    found = driver()
    if found is None:
        raise RefusedError("finds no NVIDIA GPU")
    made = Sessions(provider, found.cards[0], found.page_locked)
    # Where they come from Python packages, CUDA and cuDNN are found only if they are loaded first.
    onnxruntime.preload_dlls()
    return made
