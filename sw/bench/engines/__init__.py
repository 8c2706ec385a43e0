"""Engines, one module each, with a function ``engine()`` that returns the engine.

Importing an engine's module imports this package first, which switches telemetry off.
"""

from twofold.sw.bench.privacy import switch_off

ENGINES = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "litert": "LiteRT",
    "tvm": "TVM",
    "deepsparse": "DeepSparse",
    "pytorch": "PyTorch",
    "twofold": "Twofold",
}
"""Modules of this folder, with their display names."""

switch_off()
