"""What counts as exact provably is: ONNX Runtime gives the same integers, and ties are found."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from twofold.sim.workloads.random_network import random_inputs, random_network, random_quantized
from twofold.sw.golden import forward
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.importer.assemble import import_onnx
from twofold.sw.onnx.importer.summary import lines, summary


def one_pixel(
    weight: int, *, scale: float = 1.0, step: float = 8.0, bias: float = 0.0, floats: bool = False
) -> bytes:
    """A pixel times ``weight * scale`` plus ``bias``, quantized in steps, then passed on."""
    constants = {
        "one": np.float32(1), "zero": np.uint8(0), "w": np.full((1, 1, 1, 1), weight, np.int8),
        "s": np.float32(scale), "b": np.array([bias], np.float32), "step": np.float32(step),
        "v": np.ones((2, 1), np.int8),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "one", "zero"], ["pixel"]) if floats else None,
        helper.make_node("DequantizeLinear", ["pixel" if floats else "image", "one"], ["x"]),
        helper.make_node("DequantizeLinear", ["w", "s"], ["wf"]),
        helper.make_node("Conv", ["x", "wf", "b"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "step", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["h"]),
        helper.make_node("Flatten", ["h"], ["f"]),
        helper.make_node("DequantizeLinear", ["v", "one"], ["vf"]),
        helper.make_node("Gemm", ["f", "vf"], ["y"], transB=1),
    ]
    kind = TensorProto.FLOAT if floats else TensorProto.UINT8
    graph = helper.make_graph(
        [node for node in nodes if node is not None],
        "pixel",
        [helper.make_tensor_value_info("image", kind, ["n", 1, 1, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


PIXELS = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)


def equal_everywhere(content: bytes) -> bool:
    """Whether all 256 pixels give what ONNX Runtime gives."""
    quantized = import_onnx(content)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    wanted = np.asarray(session.run(None, {"image": PIXELS})[0])
    step = quantized.logit_scale
    return bool(np.array_equal(forward(quantized, PIXELS).logits * step, wanted))


@pytest.mark.parametrize("bias", [0.0, 1.0, 2.0, 4.0, -4.0])
@pytest.mark.parametrize("weight", [1, 2, 3, 8, 16, -1, 127])
@pytest.mark.parametrize("step", [1.0, 2.0, 8.0, 256.0])
def test_the_proof_says_what_all_pixels_say(weight, step, bias):
    content = one_pixel(weight, step=step, bias=bias)
    note = import_onnx(content).provenance["layers"][0]
    assert note["exact"] == equal_everywhere(content), note


def test_halves_are_named():
    """Pixels 4 and 20 lie halfway: 0 and 2 for ONNX, 1 and 3 for the machine."""
    found = summary(import_onnx(one_pixel(1)))
    assert not found["exact"] and "halves to even" in found["layers"][0]["doubt"]
    assert any("not provably exact: kernel 0" in line for line in lines(found))


@pytest.mark.parametrize(
    ("options", "doubt"),
    [
        ({"scale": 0.3}, "not powers of two"),
        ({"step": 0.3, "scale": 0.5}, "output's scale is not a power of two"),
        ({"bias": 0.5}, "no whole number of steps"),
    ],
)
def test_what_float32_rounds_is_not_exact(options, doubt):
    assert doubt in import_onnx(one_pixel(1, **options)).provenance["layers"][0]["doubt"]


@pytest.mark.parametrize("seed", range(12))
def test_exports_are_proven(seed):
    network = random_network(seed, machine=seed % 2 == 0)
    content = export(random_quantized(network, seed)).SerializeToString()
    back = import_onnx(content)
    # A mean over a window that is no power of two divides by what float32 does not hold.
    odd = any(np.log2(float(stage.share)) % 1 for stage in network.stages)
    assert back.provenance["exact"] or odd, [n["doubt"] for n in back.provenance["layers"]]
    inputs = random_inputs(network, 16, seed)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    logits = np.asarray(session.run(["logits"], {"image": inputs})[0])
    assert np.array_equal(forward(back, inputs).logits, logits)


def test_an_image_that_is_quantized_inside_is_told():
    found = summary(import_onnx(one_pixel(2, floats=True)))
    assert "halves to even" in found["image"] and "left to you" in found["image"]
    assert summary(import_onnx(one_pixel(2)))["image"] == "uint8, as they are"
