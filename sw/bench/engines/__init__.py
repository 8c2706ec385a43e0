"""Engines, one module each, with a function ``engine()`` that returns the engine.

Importing an engine's module imports this package first, which switches telemetry off.
"""

from twofold.sw.bench.privacy import switch_off

PROCESSOR = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "litert": "LiteRT",
    "tvm": "TVM",
    "deepsparse": "DeepSparse",
    "pytorch": "PyTorch",
    "twofold": "Twofold",
}
"""Modules of this folder whose engines run on the processor, with their display names."""
GPU = {
    "onnxruntime_cuda": "ONNX Runtime CUDA",
    "onnxruntime_tensorrt": "ONNX Runtime TensorRT",
    "pytorch_cuda": "PyTorch CUDA",
}
"""Those whose engines run on a GPU; see `twofold.sw.bench.gpu`."""
ENGINES = {**PROCESSOR, **GPU}

switch_off()
