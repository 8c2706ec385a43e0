"""ONNX Runtime with TensorRT; float32 really is float32, not TF32.

TensorRT compiles a network for its batch size, which takes up to a minute. Compiled networks are
not kept: ONNX Runtime tells them apart by their graphs, without the weights.

TensorRT quantizes to signed integers whose zero point is 0. Activations here are unsigned and use
all 8 bits, so an int8 model would either be computed in floating point or be another network.
"""

import contextlib
import importlib
import os

os.environ["NVIDIA_TF32_OVERRIDE"] = "0"  # ONNX Runtime has no option for it with TensorRT

from twofold.sw.bench.gpu.sessions import Provider, on_first_gpu
from twofold.sw.bench.job import Engine

TENSORRT = Provider(
    "TensorrtExecutionProvider",
    {"device_id": "0", "trt_fp16_enable": "False"},
    half={"trt_fp16_enable": "True"},
    refused={"int8": "has no integer kernels for unsigned activations"},
)


def engine() -> Engine:
    """The engine. Raises RefusedError where there is no GPU, or no TensorRT in ONNX Runtime."""
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("tensorrt")  # a Python package that loads the library
    return on_first_gpu(TENSORRT)
