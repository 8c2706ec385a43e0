"""Convolutions whose strides and edges differ, and padding that ONNX leaves to its reader."""

import numpy as np
import onnx
import pytest

from twofold.hw.contract.layers.geometry import same_padding
from twofold.hw.contract.network import Conv2d, Grouped, Linear, Network, Taps
from twofold.sim.workloads.random_network import random_inputs, random_quantized
from twofold.sw.golden.model import forward
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.importer.assemble import import_onnx


def network(kernel: tuple[int, int], stride: tuple[int, int], padding) -> Network:
    first = Conv2d(out_channels=3, kernel=kernel, stride=stride, padding=padding)
    second = Conv2d(out_channels=4, kernel=(1, 2), padding=(0, 0, 0, 1))
    layers = first, second, Linear(out_features=2)
    return Network("windows", (2, 7, 10), layers, ("a", "b"), zero_point=77)


def check(model: onnx.ModelProto, quantized) -> None:
    again = import_onnx(model.SerializeToString())
    assert again.network.layers[:-1] == quantized.network.layers[:-1]
    inputs = random_inputs(quantized.network, 5)
    assert (forward(again, inputs).logits == forward(quantized, inputs).logits).all()


def test_edges_and_strides_come_back() -> None:
    quantized = random_quantized(network((3, 2), (2, 1), (1, 0, 2, 1)))
    check(export(quantized), quantized)


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride"), [((3, 4), (2, 2)), ((2, 5), (1, 3)), ((3, 3), (1, 1))]
)
def test_same_padding_is_worked_out(kernel, stride, lower: bool) -> None:
    padding = same_padding((7, 10), kernel, stride, lower=lower)
    quantized = random_quantized(network(kernel, stride, padding))
    model = export(quantized)
    node = next(node for node in model.graph.node if node.name == "conv1.conv")
    kept = [one for one in node.attribute if one.name != "pads"]
    del node.attribute[:]
    node.attribute.extend(kept)
    way = "SAME_LOWER" if lower else "SAME_UPPER"
    node.attribute.append(onnx.helper.make_attribute("auto_pad", way))
    check(model, quantized)


@pytest.mark.parametrize(("kernels", "groups"), [(6, 6), (12, 6), (9, 3)])
def test_groups_come_back(kernels: int, groups: int) -> None:
    layers = (
        Conv2d(out_channels=6, kernel=(3, 3), k=4),
        Conv2d(out_channels=kernels, kernel=(3, 2), sparsity=Grouped(groups), k=2),
        Linear(out_features=3),
    )
    quantized = random_quantized(Network("groups", (1, 8, 8), layers, ("a", "b", "c")))
    model = export(quantized)
    (weight,) = (one for one in model.graph.initializer if one.name == "conv2.weight")
    assert list(weight.dims) == [kernels, 6 // groups, 3, 2]
    check(model, quantized)


def test_a_depthwise_layer_takes_over_the_order_in_front_of_it() -> None:
    first = Conv2d(out_channels=5, kernel=(3, 3), sparsity=Taps((1, 5, 2, 9, 3)))
    layers = (
        first,
        Conv2d(out_channels=5, kernel=(2, 2), sparsity=Grouped(5)),
        Conv2d(out_channels=4, kernel=(1, 1), k=2),
        Linear(out_features=2),
    )
    quantized = random_quantized(Network("order", (1, 6, 6), layers, ("a", "b")))
    again = import_onnx(export(quantized).SerializeToString())
    assert again.network.layers[0].sparsity == Taps((9, 5, 3, 2, 1))
    assert again.network.layers[1].sparsity == Grouped(5)
    inputs = random_inputs(quantized.network, 5)
    assert (forward(again, inputs).logits == forward(quantized, inputs).logits).all()


def test_onnx_runtime_agrees_about_same_padding() -> None:
    import onnxruntime

    quantized = random_quantized(network((3, 4), (2, 3), same_padding((7, 10), (3, 4), (2, 3))))
    inputs = random_inputs(quantized.network, 6)
    session = onnxruntime.InferenceSession(
        export(quantized).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(["logits"], {"image": inputs})
    assert (np.asarray(logits) == forward(quantized, inputs).logits).all()
