"""Engines, one file each: a function ``engine()`` that imports the package and returns it."""

ENGINES = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "tvm": "TVM",
    "deepsparse": "DeepSparse",
    "pytorch": "PyTorch",
    "twofold": "Twofold",
}
"""Modules of this folder, with the names for people."""
