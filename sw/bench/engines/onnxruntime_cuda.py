"""ONNX Runtime with CUDA and cuDNN; float32 really is float32, not TF32.

It has no integer kernels for convolutions. An int8 model is offered to it all the same, and refused
if layers are left in floating point, as on the processor.
"""

from twofold.sw.bench.gpu.sessions import Provider, on_first_gpu
from twofold.sw.bench.job import Engine

CUDA = Provider("CUDAExecutionProvider", {"device_id": "0", "use_tf32": "0"})


def engine() -> Engine:
    """The engine. Raises RefusedError where there is no GPU, or no CUDA in ONNX Runtime."""
    return on_first_gpu(CUDA)
