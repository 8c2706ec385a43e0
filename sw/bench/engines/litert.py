"""LiteRT, the successor of TensorFlow Lite, with XNNPACK.

Sparse weights: XNNPACK has sparse kernels for float32 only, for 1x1 convolutions behind a 3x3
convolution of stride 2 over three channels, and leaves them off on every x86 processor with AVX.
LiteRT has kernels of its own for sparse matrices, but none for convolutions. The one for float32,
in blocks of four, runs the linear layers of a pruned network where that is faster than dense
weights in XNNPACK, which depends on the batch: dense weights are read once for all samples of a
call. The one for int8 is not used: of its blocks of 16 about half are not zero in a network with
95 % of its weights zero, and its logits are outside the benchmark's limits.

int8: XNNPACK's kernels multiply channels in groups, of eight with AVX2, so a first layer with one
channel takes longer than in float32. k-winners are operators that XNNPACK does not have.
"""

import importlib
import time
from typing import Any

import numpy as np

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.bench.job import Engine, Job, RefusedError, Run
from twofold.sw.bench.tflite.networks import float_file, int8_file

litert: Any = importlib.import_module("ai_edge_litert")  # optional: only with the extra `bench`
interpreter: Any = importlib.import_module("ai_edge_litert.interpreter")

PRODUCTS = ("CONV_2D", "FULLY_CONNECTED")
TRIALS = 5
"""Calls of which the fastest counts when two forms of a network are compared."""


class LiteRt:
    """Interpreters of files made for one batch size."""

    version: str = litert.__version__

    def load(self, job: Job) -> Run:
        quantized = QuantizedNetwork.load(job.artefact)
        if job.precision == "int8":
            return Loaded(int8_file(quantized, job.batch), job.threads)
        dense = float_file(quantized, job.batch)
        sparse = float_file(quantized, job.batch, sparse=True)
        forms = [Loaded(file, job.threads) for file in dict.fromkeys((dense, sparse))]
        return min(forms, key=Loaded.seconds)


class Loaded:
    """A file that is ready to run, as a `Run`.

    Parameters
    ----------
    file: content of a file from `twofold.sw.bench.tflite.networks`.
    threads: number of threads.

    Raises RefusedError if XNNPACK leaves a layer with dense weights to LiteRT's own kernels.
    """

    def __init__(self, file: bytes, threads: int) -> None:
        self._runtime = interpreter.Interpreter(model_content=file, num_threads=threads)
        self._runtime.allocate_tensors()
        check_delegated(self._runtime)
        (source,), (result,) = self._runtime.get_input_details(), self._runtime.get_output_details()
        self._inputs = self._runtime.tensor(source["index"])
        self._result = result["index"]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        self._inputs()[...] = inputs.transpose(0, 2, 3, 1)
        self._runtime.invoke()
        return self._runtime.get_tensor(self._result)

    def seconds(self) -> float:
        """Duration of the fastest of `TRIALS` calls."""
        times = []
        for _ in range(TRIALS):
            start = time.perf_counter()
            self._runtime.invoke()
            times.append(time.perf_counter() - start)
        return min(times)


def check_delegated(runtime: Any) -> None:
    """Raise RefusedError if XNNPACK leaves a layer with dense weights to LiteRT's own kernels."""
    tensors = {one["index"]: one for one in runtime.get_tensor_details()}
    operators = runtime._get_ops_details()  # there is no public list of them
    taken = {
        number for one in operators if one["op_name"] == "DELEGATE" for number in one["inputs"]
    }
    weights = {one["inputs"][1] for one in operators if one["op_name"] in PRODUCTS}
    left = [tensors[number] for number in sorted(weights - taken)]
    names = [one["name"] for one in left if not one["sparsity_parameters"]]
    if names:
        raise RefusedError(f"XNNPACK does not take {', '.join(names)}")


def engine() -> Engine:
    """The engine."""
    return LiteRt()
