"""Engines, one file each: a function ``engine()`` that imports the package and returns it.

No engine can be imported but through this package, so reports over the network are off before.
"""

from twofold.sw.bench.privacy import switch_off

ENGINES = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "tvm": "TVM",
    "deepsparse": "DeepSparse",
    "pytorch": "PyTorch",
    "twofold": "Twofold",
}
"""Modules of this folder, with the names for people."""

switch_off()
