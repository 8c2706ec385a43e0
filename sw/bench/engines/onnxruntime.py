"""ONNX Runtime."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from twofold.sw.bench.job import Engine, Job, RefusedError, Run

Provider = str | tuple[str, dict[str, str]]
FLOAT_PRODUCTS = {"Conv", "Gemm", "MatMul", "FusedConv", "FusedGemm", "FusedMatMul"}


PROVIDER = "CPUExecutionProvider"


class OnnxRuntime:
    """Sessions with one thread pool each and all optimisations on."""

    version = onnxruntime.__version__

    def load(self, job: Job) -> Run:
        options = session_options(job.threads)
        # Other engines share the CPU: no busy waiting between calls.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = opened(job, options, [PROVIDER])

        def run(inputs: np.ndarray) -> np.ndarray:
            return np.asarray(session.run(None, {"image": inputs})[0])

        return run


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Options of a session with ``threads`` threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def opened(
    job: Job, options: onnxruntime.SessionOptions, providers: Sequence[Provider]
) -> onnxruntime.InferenceSession:
    """A session of a job's model, on these execution providers and no others.

    ``providers``: names, or names with options. Raises RefusedError if a layer of an ``int8`` model
    was left in floating point.
    """
    with tempfile.TemporaryDirectory() as folder:
        optimised = Path(folder) / "optimised.onnx"
        if job.precision == "int8":
            options.optimized_model_filepath = str(optimised)
        session = onnxruntime.InferenceSession(
            str(job.model), options, providers=providers, enable_fallback=False
        )
        if job.precision == "int8":
            _check_integers(optimised)
    return session


def _check_integers(optimised: Path) -> None:
    """Raise RefusedError if a layer was left in floating point."""
    nodes = onnx.load(str(optimised)).graph.node
    floats = sorted(node.name for node in nodes if node.op_type in FLOAT_PRODUCTS)
    if floats:
        raise RefusedError(f"falls back to floating point in {', '.join(floats)}")


def engine() -> Engine:
    """The engine."""
    return OnnxRuntime()
