"""OpenVINO."""

import importlib
from typing import Any

import numpy as np

from twofold.sw.bench.job import Engine, Job, RefusedError, Run

openvino: Any = importlib.import_module("openvino")  # optional: only with the extra `bench`

PRODUCTS = ("Convolution", "FullyConnected", "MatMul")


class OpenVino:
    """Single-stream; float32 really is float32, not bfloat16."""

    version: str = openvino.__version__.split("-")[0]

    def __init__(self) -> None:
        self._core = openvino.Core()

    def load(self, job: Job) -> Run:
        model = self._core.read_model(str(job.model))
        inner = [side.get_length() for side in list(model.inputs[0].partial_shape)[1:]]
        model.reshape([job.batch, *inner])
        compiled = self._core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "f32",
                "INFERENCE_NUM_THREADS": job.threads,
                "NUM_STREAMS": 1,
            },
        )
        if job.precision == "int8":
            _check_integers(compiled)
        request = compiled.create_infer_request()

        def run(inputs: np.ndarray) -> np.ndarray:
            found = request.infer([inputs], share_inputs=True, share_outputs=True)
            return np.asarray(found[0])

        return run


def _check_integers(compiled: Any) -> None:
    """Raise RefusedError if a layer is executed in floating point."""
    floats = []
    for node in compiled.get_runtime_model().get_ops():
        facts = {key: value.astype(str) for key, value in node.get_rt_info().items()}
        if facts.get("layerType") in PRODUCTS and facts.get("runtimePrecision") not in ("i8", "u8"):
            floats.append(f"{node.get_friendly_name()} ({facts.get('runtimePrecision')})")
    if floats:
        raise RefusedError(f"falls back to floating point in {', '.join(floats)}")


def engine() -> Engine:
    """The engine."""
    return OpenVino()
