"""The structure of an untrusted model: what breaks the rules is listed, node by node."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from twofold.sim.workloads.random_network import random_network, random_quantized
from twofold.sw.errors import OnnxError
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.importer.assemble import import_onnx
from twofold.sw.onnx.importer.checked import NODES_MAX, require_sound
from twofold.sw.onnx.importer.wire import FIELDS_MAX, NUMBERS_MAX, require_bounded

Change = Callable[[onnx.ModelProto], None]


def node(found: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(one for one in found.graph.node if one.name == name)


def constant(found: onnx.ModelProto, name: str) -> TensorProto:
    return next(one for one in found.graph.initializer if one.name == name)


def inputs(name: str, *values: str) -> Change:
    def change(found: onnx.ModelProto) -> None:
        del node(found, name).input[:]
        node(found, name).input.extend(values)

    return change


def attribute(name: str, key: str, value: object) -> Change:
    def change(found: onnx.ModelProto) -> None:
        node(found, name).attribute.append(helper.make_attribute(key, value))

    return change


def no_outputs(found: onnx.ModelProto) -> None:
    del node(found, "flat").output[:]


def twice(found: onnx.ModelProto) -> None:
    node(found, "dw").output[0] = "x"


def text(found: onnx.ModelProto) -> None:
    constant(found, "s").CopyFrom(numpy_helper.from_array(np.array([b"a"], object), "s"))


def huge(found: onnx.ModelProto) -> None:
    constant(found, "w").dims[:] = [1 << 31, 1 << 31]


def short(found: onnx.ModelProto) -> None:
    constant(found, "w").raw_data = b"\1\2"


def negative(found: onnx.ModelProto) -> None:
    constant(found, "w").dims[:] = [-2, 1, -3, 3]


def nan(found: onnx.ModelProto) -> None:
    constant(found, "s").CopyFrom(numpy_helper.from_array(np.array(np.nan, np.float32), "s"))


def newer(found: onnx.ModelProto) -> None:
    found.opset_import[0].version = 1 << 40


def unknown(found: onnx.ModelProto) -> None:
    node(found, "flat").op_type = "Flatter"


def functions(found: onnx.ModelProto) -> None:
    found.functions.add().name = "f"


def wide(found: onnx.ModelProto) -> None:
    found.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 1 << 40


BROKEN: dict[str, tuple[Change, str]] = {
    "no inputs": (inputs("dv"), r"'dv' \(DequantizeLinear\): 0 inputs, needs 2..3"),
    "one input": (inputs("gemm", "f"), r"'gemm' \(Gemm\): 1 inputs, needs 2..3"),
    "empty input": (inputs("conv", "x", ""), r"'conv' \(Conv\): input W is missing"),
    "many inputs": (inputs("flat", "h", "x"), r"'flat' \(Flatten\): 2 inputs, needs 1"),
    "no outputs": (no_outputs, r"\(Flatten\): 0 outputs, needs 1"),
    "nothing makes it": (inputs("flat", "nowhere"), "nothing makes its input 'nowhere'"),
    "made twice": (twice, "'x' is made elsewhere too"),
    "cycle": (inputs("dx", "f", "s", "z"), "a cycle"),
    "own cycle": (inputs("flat", "f"), r"'flat' \(Flatten\): a cycle"),
    "unknown operator": (unknown, "no such operator in operator set 13"),
    "unknown attribute": (attribute("flat", "depth", 2), "attribute 'depth' is unknown"),
    "list for a number": (attribute("flat", "axis", [1]), "axis is of the wrong type, needs INT"),
    "text for numbers": (attribute("conv", "pads", "0 0"), "pads is of the wrong type, needs INTS"),
    "infinite attribute": (attribute("gemm", "alpha", float("inf")), "alpha is not finite"),
    "given twice": (attribute("gemm", "transB", 0), "given twice"),
    "text": (text, "constant 's': its type is STRING"),
    "huge constant": (huge, "constant 'w': its shape is"),
    "negative shape": (negative, "constant 'w': its shape is"),
    "short constant": (short, "constant 'w': it is damaged"),
    "not a number": (nan, "constant 's' holds NaN"),
    "operator set": (newer, "operator set"),
    "functions": (functions, "functions inside the model"),
    "wide image": (wide, "input 'image' has shape"),
}


def test_the_sound_model_is_read(build):
    network = import_onnx(build().SerializeToString()).network
    assert network.input_shape == (1, 4, 4) and len(network.layers) == 2


@pytest.mark.parametrize("case", BROKEN)
def test_what_breaks_a_rule_is_named(build, case):
    change, message = BROKEN[case]
    found = build()
    change(found)
    with pytest.raises(OnnxError, match=message):
        import_onnx(found.SerializeToString())


def test_all_obstacles_are_listed_at_once(build):
    found = build()
    for case in ("no inputs", "unknown attribute", "huge constant"):
        BROKEN[case][0](found)
    with pytest.raises(OnnxError, match="3 obstacles") as caught:
        import_onnx(found.SerializeToString())
    assert all(name in str(caught.value) for name in ("'dv'", "'depth'", "'w'"))


def test_all_unsupported_nodes_are_listed_at_once(build):
    found = build()
    node(found, "conv").attribute.append(helper.make_attribute("group", 3))
    node(found, "flat").op_type = "GlobalLpPool"
    node(found, "dh").op_type = "QuantizeLinear"
    with pytest.raises(OnnxError, match="obstacles") as caught:
        import_onnx(found.SerializeToString())
    assert "in 3 groups" in str(caught.value) and "GlobalLpPool" in str(caught.value)


def test_exports_are_sound():
    for seed in range(10):
        require_sound(export(random_quantized(random_network(seed), seed)))


def test_many_nodes_are_refused(build):
    found = build()
    found.graph.node.extend(node(build(), "flat") for _ in range(NODES_MAX))
    with pytest.raises(OnnxError, match="at most"):
        require_sound(found)


def test_a_file_that_grows_when_it_is_decoded_is_refused(build):
    nodes = b"\x0a\x00" * (FIELDS_MAX + 8)
    size = bytes([len(nodes) & 127 | 128, len(nodes) >> 7 & 127 | 128, len(nodes) >> 14])
    assert len(nodes) >> 14 < 128
    with pytest.raises(OnnxError, match="fields"):
        require_bounded(b"\x3a" + size + nodes)
    found = build()
    found.graph.initializer.add().int32_data.extend([0] * 1000)
    require_bounded(found.SerializeToString())
    assert NUMBERS_MAX > 1000


@pytest.mark.parametrize("content", [b"\x3a\xff", b"\xff" * 12, b"\x3b", b"\x3a\x05abc"])
def test_bytes_that_are_no_message_are_refused(content):
    with pytest.raises(OnnxError, match="not an ONNX model"):
        require_bounded(content)
