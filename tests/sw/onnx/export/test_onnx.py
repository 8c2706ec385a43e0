"""ONNX export: an independent reader gives the same integers."""

import argparse
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.hw.contract import presets
from twofold.hw.contract.arith import requantise
from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.sim.workloads.random_network import (
    random_inputs,
    random_network,
    random_quantized,
    with_outputs,
)
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.cli.verbs import export as cli
from twofold.sw.errors import OnnxError
from twofold.sw.golden import forward
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.export.runtime import OnnxNetwork


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1 << 30), machine=st.booleans())
def test_random_networks_give_golden_logits(seed, machine):
    network = random_network(seed, machine=machine)
    quantized = random_quantized(network, seed)
    inputs = random_inputs(network, 16, seed)
    found = OnnxNetwork(export(quantized).SerializeToString()).logits(inputs)
    assert np.array_equal(found, forward(quantized, inputs).logits)


@pytest.mark.parametrize("name", presets.NETWORKS)
def test_presets_give_golden_logits_and_probabilities(name):
    network = presets.network(name)
    quantized = random_quantized(network)
    inputs = random_inputs(network, 70)
    loaded = OnnxNetwork(export(quantized).SerializeToString())
    logits = forward(quantized, inputs).logits
    assert np.array_equal(loaded.logits(inputs), logits)
    expected = quantized.probabilities(logits)
    assert np.allclose(loaded.probabilities(inputs), expected, atol=1e-6)


def one_weight(shift: int, add: int) -> QuantizedNetwork:
    """A network whose hidden activation is the requantised pixel."""
    network = Network(
        name="one",
        input_shape=(1, 1, 1),
        layers=(Conv2d(out_channels=1, kernel=(1, 1)), Linear(out_features=1)),
        labels=("a",),
    )
    one = np.ones((1, 1), dtype=np.int8)
    hidden = QuantizedLayer(one.reshape(1, 1, 1, 1), np.array([add], dtype=np.int32), shift)
    logits = QuantizedLayer(one, np.zeros(1, dtype=np.int32), 0)
    return QuantizedNetwork(network, (hidden, logits), 1.0)


@pytest.mark.parametrize("shift", [0, 1, 2, 5, 8])
@pytest.mark.parametrize("bias", [-130, -3, 0, 1, 200])
def test_halves_round_up_for_every_pixel(shift, bias):
    add = bias + ((1 << shift) >> 1)
    pixels = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    found = OnnxNetwork(export(one_weight(shift, add)).SerializeToString()).logits(pixels)
    assert found[:, 0].tolist() == [requantise(pixel, add, shift) for pixel in range(256)]


def test_the_model_is_standard():
    model = export(random_quantized(presets.network("gsc")))
    onnx.checker.check_model(model, full_check=True)
    assert {item.domain for item in model.opset_import} == {""}
    kinds = {node.op_type for node in model.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Conv", "MaxPool", "TopK"} <= kinds
    weights = {item.name: item for item in model.graph.initializer}
    assert weights["linear1.weight"].data_type == onnx.TensorProto.INT8
    scales = [
        onnx.numpy_helper.to_array(item)
        for name, item in weights.items()
        if name.endswith("scale") and name != "logits.scale"
    ]
    assert scales and all(np.log2(scale) % 1 == 0 for scale in scales)


def saturated(network: Network, value: int, image: np.ndarray) -> QuantizedNetwork:
    """A first layer of one weight, whose sums for ``image`` end at a step of requantisation.

    Every other kernel ends right below the step, so that a rounding error changes the result.
    """
    first, *others = random_quantized(network).layers
    weight = np.full_like(first.weight, value)
    weight[:, -1] = np.arange(len(weight)) % 100
    shift, mul = 18, None
    if first.mul is not None:
        mul = np.full_like(first.mul, 3)
    acc = weight.astype(np.int64) @ image.reshape(-1).astype(np.int64) * (1 if mul is None else 3)
    if network.stages[0].last:
        shift, add = 0, np.full_like(first.add, 12345)
    else:
        add = ((100 << shift) - np.arange(len(weight)) % 2 - acc).astype(np.int32)
    layers = (replace(first, weight=weight, add=add, shift=shift, mul=mul), *others)
    return QuantizedNetwork(network, layers, 1.0)


def long(count: int, *layers: Linear) -> Network:
    """Linear layers over ``count`` inputs."""
    labels = tuple(str(label) for label in range(layers[-1].out_features))
    return Network(name="long", input_shape=(count // 100, 10, 10), layers=layers, labels=labels)


@pytest.mark.parametrize("value", [127, -128])
@pytest.mark.parametrize("multiplier", [False, True])
def test_sums_beyond_float32_are_exact(value, multiplier):
    """Sums reach 5000 * 255 * 128, ten times what float32 holds."""
    network = long(5000, Linear(out_features=40, multiplier=multiplier), Linear(out_features=40))
    inputs = 255 - random_inputs(network, 3) // 64
    quantized = saturated(network, value, inputs[1])
    golden = forward(quantized, inputs)
    assert set(golden.activations[0][1].flat) == {99, 100}
    found = OnnxNetwork(export(quantized).SerializeToString()).logits(inputs)
    assert np.array_equal(found, golden.logits)


def test_sums_of_logits_beyond_float32_are_exact():
    network = long(10_000, Linear(out_features=20))
    inputs = 255 - random_inputs(network, 3) // 64
    quantized = saturated(network, 127, inputs[0])
    expected = forward(quantized, inputs).logits
    assert expected.min() > 1 << 24
    found = OnnxNetwork(export(quantized).SerializeToString()).logits(inputs)
    assert np.array_equal(found, expected)


def test_dense_preset_gives_golden_logits():
    network = presets.network("gsc", "dense")
    quantized, inputs = random_quantized(network), random_inputs(network, 8)
    found = OnnxNetwork(export(quantized).SerializeToString()).logits(inputs)
    assert np.array_equal(found, forward(quantized, inputs).logits)


def test_sums_of_a_single_channel_beyond_float32_are_refused():
    network = Network(
        name="wide", input_shape=(1, 100, 100), layers=(Linear(out_features=1),), labels=("a",)
    )
    quantized = saturated(network, 127, random_inputs(network, 1))
    with pytest.raises(OnnxError, match="linear1: sums over input channel 0 can reach 3238"):
        export(quantized)


@pytest.mark.parametrize("outputs", [3, 35])
def test_raw_outputs_have_values_and_no_probabilities(outputs):
    network = with_outputs(random_network(4), outputs, labelled=False)
    quantized, inputs = random_quantized(network, 4), random_inputs(network, 9, 4)
    model = export(quantized)
    assert [value.name for value in model.graph.output] == ["logits", "values"]
    assert not {node.op_type for node in model.graph.node} & {"Softmax", "ArgMax"}
    session = OnnxNetwork(model.SerializeToString())
    golden = forward(quantized, inputs)
    assert golden.labels is None
    assert np.array_equal(session.logits(inputs), golden.logits)
    values = session._run("values", inputs)
    assert np.array_equal(values, golden.logits * np.float32(quantized.logit_scale))


def test_other_models_are_refused(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"junk")
    with pytest.raises(OnnxError, match="ONNX Runtime refuses the model"):
        OnnxNetwork(tmp_path / "x.onnx")
    helper = onnx.helper
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [result])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    with pytest.raises(OnnxError, match=r"has inputs \['x'\] and outputs \['y'\]"):
        OnnxNetwork(model.SerializeToString())


def test_command_writes_a_model(tmp_path, capsys):
    network = presets.network("tiny")
    quantized = random_quantized(network)
    quantized.save(tmp_path / "tiny.npz")
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    out = tmp_path / "tiny.onnx"
    arguments = ["--network", str(tmp_path / "tiny.npz"), "--out", str(out)]
    assert cli.run(parser.parse_args(arguments)) == 0
    assert f"{out.stat().st_size} bytes, checked" in capsys.readouterr().out
    inputs = random_inputs(network, 8)
    assert np.array_equal(OnnxNetwork(out).logits(inputs), forward(quantized, inputs).logits)
