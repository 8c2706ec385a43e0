"""Models as quantizers and exporters write them, damaged ones, and networks of users' own.

`TWOFOLD_CASES` names a folder with `quantizers`, `idioms`, `damaged` and `own-network`.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.assemble import import_onnx
from twofold.sw.onnx.importer.verify import verify

CASES = Path(os.environ.get("TWOFOLD_CASES", "does-not-exist"))
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="TWOFOLD_CASES names no folder")
MODELS = sorted(CASES.glob("*/*.onnx")) if CASES.is_dir() else []

IMPORTED = ("u8s8", "bn_preprocessed", "int4w", "relu6_keep", "relu_int8", "mlp", "argmax_end",
            "reshape_value_ints", "buffers_no_folding", "named", "qoperator", "batchnorm",
            "view_dynamic", "nhwc_transpose", "maxpool_rect", "conv1d", "depthwise", "grouped",
            "pads_rect", "same_upper", "stride_rect", "mykws", "symmetric", "n")  # fmt: skip
ROUNDED = {"bn": 0.95, "matmul": 0.985, "perchannel": 0.985, "flatten_per_channel_all": 0.985,
           "avgpool": 0.985, "gap": 0.985}  # fmt: skip
"""Cases of which roundings are left out, or take place elsewhere, and the least share of labels on
noise, where logits are close to each other.
"""
REFUSED = {
    "softmax_axis0": "axis is 0", "residual": "adds sums that are not quantized",
    "clip_nan": "NaN", "maxpool_ceil_no_kernel": "kernel_shape is missing",
    "onnx-cycle-self": "cycle", "weight_cycle": "cycle", "onnx-op_vals17": "is 0 for most",
    "onnx-op_attrtype6": "axis is of the wrong type", "onnx-op_noinput7": "0 inputs",
    "onnx-op_fewinput11": "0 inputs", "onnx-op_nooutput25": "0 outputs",
    "reshape_string_shape": "type is STRING",
}  # fmt: skip


def case(name: str) -> bytes:
    found = [path for path in MODELS if path.stem == name]
    if not found:
        pytest.skip(f"no case {name}")
    return found[0].read_bytes()


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_case_is_read_or_refused_in_a_line(path):
    try:
        import_onnx(path.read_bytes())
    except OnnxError as error:
        assert re.search(r"(node|value|input|constant) '", str(error)) and len(str(error)) < 8000


@pytest.mark.parametrize("name", IMPORTED)
def test_labels_are_those_of_the_model(name):
    content = case(name)
    quantized = import_onnx(content)
    shape = (1000, *quantized.network.input_shape)
    inputs = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = verify(content, quantized, inputs)
    assert found.labels >= 0.999
    assert found.within_ties is None or found.within_ties >= 0.999
    assert found.outputs >= 0.999 or quantized.provenance["dropped"]
    assert all(layer.most <= 1 and layer.differing < 0.01 for layer in found.layers)


@pytest.mark.parametrize("name", ROUNDED)
def test_what_is_rounded_otherwise_is_said_and_labels_stay(name):
    content = case(name)
    quantized = import_onnx(content)
    shape = (1000, *quantized.network.input_shape)
    found = verify(content, quantized, np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    assert found.labels >= ROUNDED[name]
    assert all(layer.most <= 8 for layer in found.layers)


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_with_the_reason(name):
    with pytest.raises(OnnxError, match=REFUSED[name]):
        import_onnx(case(name))
