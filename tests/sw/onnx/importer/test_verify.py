"""The comparison with ONNX Runtime finds what is equal, and what is not."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper, numpy_helper

from twofold.sim.workloads.random_network import random_inputs, random_network, random_quantized
from twofold.sw.errors import OnnxError
from twofold.sw.golden import forward
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.importer.assemble import import_onnx
from twofold.sw.onnx.importer.verify import verify


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_exports_are_proven_and_equal(seed):
    network = random_network(seed)
    content = export(random_quantized(network, seed)).SerializeToString()
    quantized = import_onnx(content)
    found = verify(content, quantized, random_inputs(network, 70, seed))
    assert found.verdict == "proven" and found.samples == 70
    assert found.labels == found.logits == found.outputs == 1.0
    trunk = [stage for stage in network.stages if stage.layer.source is None]
    branched = any(len(stage.sources) > 1 for stage in network.stages)
    assert len(found.layers) == len(trunk) - 1 or (branched and found.layers)
    assert all(layer.differing == 0 for layer in found.layers)
    assert found.as_json()["samples"] == 70


def inputs(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 40, (count, 1, 4, 4), dtype=np.uint8)


def test_other_integers_are_found(build):
    content = build().SerializeToString()
    quantized = import_onnx(content)
    first = replace(quantized.layers[0], add=quantized.layers[0].add + 9)
    wrong = replace(quantized, layers=(first, *quantized.layers[1:]))
    assert verify(content, quantized, inputs(20)).layers[0].differing < 0.3
    found = verify(content, wrong, inputs(20))
    assert found.layers[0].differing > 0.9 and found.layers[0].most >= 1
    assert found.verdict.startswith("differs: ")


def test_another_network_is_refused(build):
    quantized = random_quantized(random_network(1), 1)
    with pytest.raises(OnnxError, match="import it again"):
        verify(build().SerializeToString(), quantized, inputs(3))


def test_pixels_are_quantized_as_the_model_does(build):
    content = build(floats=True).SerializeToString()
    quantized = import_onnx(content)
    floats = np.random.default_rng(1).uniform(0, 120, (40, 1, 4, 4)).astype(np.float32)
    steps = np.clip(np.rint(floats / np.float32(0.5)), 0, 255).astype(np.uint8)
    found = verify(content, quantized, floats)
    assert found == verify(content, quantized, steps)


def test_scales_that_float32_rounds_are_measured(build):
    model = build()
    scale = next(one for one in model.graph.initializer if one.name == "s")
    scale.CopyFrom(numpy_helper.from_array(np.array(0.3, np.float32), "s"))
    content = model.SerializeToString()
    quantized = import_onnx(content)
    found = verify(content, quantized, inputs(64))
    assert not quantized.provenance["exact"] and found.verdict != "proven"
    assert found.labels > 0.9
    logits = forward(quantized, inputs(64)).logits * quantized.logit_scale
    assert found.logit_spread == pytest.approx(logits.std(), rel=0.05)


def test_rounded_outputs_are_compared_up_to_ties(build):
    model = build()
    model.graph.initializer.append(numpy_helper.from_array(np.array(1e6, np.float32), "coarse"))
    model.graph.node.append(helper.make_node("QuantizeLinear", ["y", "coarse", "z"], ["end"]))
    model.graph.output[0].CopyFrom(helper.make_empty_tensor_value_info("end"))
    content = model.SerializeToString()
    found = verify(content, import_onnx(content), inputs(64))
    assert found.outputs < found.labels and found.within_ties is not None
    assert found.within_ties > found.outputs


@pytest.mark.parametrize(
    "inputs",
    [
        np.zeros((3, 2, 4, 4), np.uint8),
        np.zeros((0, 1, 4, 4), np.uint8),
        np.full((1, 1, 4, 4), np.nan, np.float32),
        np.array([["a" * 16]]),
        np.zeros((2, 1, 4, 4), np.float32),
    ],
)
def test_inputs_that_do_not_fit_are_refused(build, inputs):
    content = build().SerializeToString()
    with pytest.raises(OnnxError, match="inputs"):
        verify(content, import_onnx(content), inputs)
