"""Where our CPU engine spends its time, by layer and by instruction set."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from twofold.hw.contract.errors import ToolError
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.bench.subjects import Subject
from twofold.sw.cpu import CpuEngine, available_isas

BATCH = 64


def layer_times(subjects: Sequence[Subject], seconds: float) -> list[dict[str, Any]]:
    """CPU time of every layer, in microseconds per sample, and the routine that ran it.

    One thread, `BATCH` samples per call, about ``seconds`` for each network and each instruction
    set of the CPU, except for the portable kernels. Empty if the engine is not built.
    """
    try:
        isas = [isa for isa in available_isas() if isa != "portable"]
    except ToolError:
        return []
    return [row for subject in subjects for isa in isas for row in _times(subject, isa, seconds)]


def _times(subject: Subject, isa: str, seconds: float) -> list[dict[str, Any]]:
    inputs = np.load(subject.inputs["int8"], allow_pickle=False)
    samples = np.ascontiguousarray(np.resize(inputs, (BATCH, *inputs.shape[1:])))
    with CpuEngine(QuantizedNetwork.load(subject.artefact), 1, isa) as engine:
        engine.infer(samples)
        engine.time_layers()
        calls, start = 0, time.perf_counter()
        while calls == 0 or time.perf_counter() - start < seconds:
            engine.infer(samples)
            calls += 1
        return [
            {
                "network": subject.facts["network"],
                "sparsity": subject.sparsity,
                "isa": isa,
                "layer": layer.name,
                "kernel": layer.kernel,
                "microseconds": round(layer.seconds / (calls * BATCH) * 1e6, 3),
            }
            for layer in engine.layer_times()
        ]
