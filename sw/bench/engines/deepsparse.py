"""DeepSparse 1.8.0, in an environment of its own; evaluation licence."""

import importlib
from typing import Any

import numpy as np

from twofold.sw.bench.job import Engine, Job, RefusedError, Run

deepsparse: Any = importlib.import_module("deepsparse")  # installed in an environment of its own


class DeepSparse:
    """Single-stream engines; may abort the process, which the caller must detect."""

    version: str = deepsparse.__version__

    def load(self, job: Job) -> Run:
        if job.winners:
            raise RefusedError("has no winners of its own")
        model = job.operators if job.precision == "int8" else job.model
        compiled = deepsparse.compile_model(str(model), batch_size=job.batch, num_cores=job.threads)
        if compiled.fraction_of_supported_ops < 1:
            raise RefusedError("falls back to the ONNX Runtime it carries with it")

        def run(inputs: np.ndarray) -> np.ndarray:
            return compiled.run([inputs])[0]

        return run


def engine() -> Engine:
    """The engine."""
    return DeepSparse()
