"""Models that are changed at random: each is read or refused in one line, soon."""

import random
import time
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, helper, numpy_helper

from twofold.sim.workloads.random_network import random_network, random_quantized
from twofold.sw.errors import OnnxError
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.importer.assemble import import_onnx

SECONDS = 12.0
FLOATS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 3e38, 1e-45, 1e-30)
INTEGERS = (0, -1, 1, 2, 127, -128, 1 << 31, (1 << 63) - 1, -(1 << 63))
Draw = random.Random


def a_node(model: onnx.ModelProto, draw: Draw) -> onnx.NodeProto:
    return draw.choice(list(model.graph.node))


def a_value(model: onnx.ModelProto, draw: Draw) -> str:
    names = [name for node in model.graph.node for name in (*node.input, *node.output)]
    return draw.choice([*names, "", "nowhere"])


def drop_input(model: onnx.ModelProto, draw: Draw) -> None:
    node = a_node(model, draw)
    del node.input[draw.randrange(len(node.input) + 1) :]


def drop_output(model: onnx.ModelProto, draw: Draw) -> None:
    node = a_node(model, draw)
    del node.output[draw.randrange(len(node.output) + 1) :]


def rewire(model: onnx.ModelProto, draw: Draw) -> None:
    node = a_node(model, draw)
    if node.input:
        node.input[draw.randrange(len(node.input))] = a_value(model, draw)


def feed_back(model: onnx.ModelProto, draw: Draw) -> None:
    first, second = sorted(draw.sample(range(len(model.graph.node)), 2))
    if model.graph.node[first].input and model.graph.node[second].output:
        model.graph.node[first].input[0] = model.graph.node[second].output[0]


def operator(model: onnx.ModelProto, draw: Draw) -> None:
    kinds = [*{node.op_type for node in model.graph.node}, "Identity", "Softmax", "Foo"]
    a_node(model, draw).op_type = draw.choice(kinds)


def attribute_type(model: onnx.ModelProto, draw: Draw) -> None:
    node = a_node(model, draw)
    values = [1, -1, 1.5, "text", [1, 2], [], [0.5], ["a"], [0, 0], [1] * 9, 1 << 40]
    keys = ["axis", "pads", "strides", "kernel_shape", "to", "group", "transB", "alpha", "perm"]
    keys.extend(item.name for item in node.attribute)
    key, value = draw.choice(keys), draw.choice(values)
    kept = [item for item in node.attribute if item.name != key or draw.random() < 0.1]
    del node.attribute[:]
    node.attribute.extend(kept)
    if value == []:
        node.attribute.append(AttributeProto(name=key, type=AttributeProto.INTS))
    else:
        node.attribute.append(helper.make_attribute(key, value))


def attribute_value(model: onnx.ModelProto, draw: Draw) -> None:
    node = a_node(model, draw)
    for item in node.attribute:
        item.i = draw.choice(INTEGERS)
        item.f = draw.choice(FLOATS)
        for at in range(len(item.ints)):
            item.ints[at] = draw.choice(INTEGERS)


def constant(model: onnx.ModelProto, draw: Draw) -> None:
    """A constant of other values, another type or another shape."""
    tensor = draw.choice(list(model.graph.initializer))
    values = numpy_helper.to_array(tensor).copy()
    what = draw.randrange(5)
    if what == 0 and values.dtype.kind == "f":
        values.reshape(-1)[: draw.randrange(1, 4)] = draw.choice(FLOATS)
    elif what == 1:
        kinds = ("int8", "uint8", "int16", "int32", "int64", "float16", "float64", "bool")
        with np.errstate(all="ignore"):
            values = values.astype(draw.choice(kinds))
    elif what == 2:
        values = values.reshape(-1)[: draw.randrange(values.size + 1)]
    elif what == 3:
        values = values.T[np.newaxis]
    else:
        values = np.array([b"text", b""], dtype=object)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))


def constant_header(model: onnx.ModelProto, draw: Draw) -> None:
    tensor = draw.choice(list(model.graph.initializer))
    if draw.random() < 0.5:
        tensor.dims.append(draw.choice(INTEGERS))
    else:
        tensor.data_type = draw.choice([0, 1, 2, 3, 7, 8, 9, 14, 16, 17, 22, 99, -1])


def image(model: onnx.ModelProto, draw: Draw) -> None:
    kind = model.graph.input[0].type.tensor_type
    if draw.random() < 0.5:
        kind.elem_type = draw.choice([1, 2, 3, 7, 8, 0])
    else:
        draw.choice(list(kind.shape.dim)).dim_value = draw.choice(INTEGERS)


def opset(model: onnx.ModelProto, draw: Draw) -> None:
    model.opset_import[0].version = draw.choice([0, -1, 5, 7, 10, 11, 12, 21, 99])


CHANGES: tuple[Callable[[onnx.ModelProto, Draw], None], ...] = (
    drop_input, drop_output, rewire, feed_back, operator, attribute_type, attribute_value,
    constant, constant_header, image, opset,
)  # fmt: skip


@pytest.fixture
def models(build) -> list[bytes]:
    exports = [export(random_quantized(random_network(seed), seed)) for seed in (1, 4, 9)]
    return [model.SerializeToString() for model in (*exports, build(), build(floats=True))]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_changed_models_are_read_or_refused(models, change):
    draw, refused, tried = Draw(change.__name__), 0, 0
    end = time.monotonic() + SECONDS / len(CHANGES)
    while tried < 200 and (tried < 8 or time.monotonic() < end):
        model = onnx.load_model_from_string(draw.choice(models))
        for _ in range(draw.randrange(1, 3)):
            change(model, draw)
        content = model.SerializeToString()
        try:
            quantized = import_onnx(content)
        except OnnxError as error:
            refused += 1
            assert 0 < len(str(error)) < 8000
        else:
            assert quantized.network.layers
        tried += 1
    assert refused


def test_damaged_bytes_are_read_or_refused(models):
    draw, refused = Draw(7), 0
    for _ in range(60):
        damaged = bytearray(draw.choice(models))
        for _ in range(draw.randrange(1, 6)):
            damaged[draw.randrange(min(len(damaged), 4000))] = draw.randrange(256)
        if draw.random() < 0.2:
            del damaged[draw.randrange(len(damaged)) :]
        try:
            import_onnx(bytes(damaged))
        except OnnxError:
            refused += 1
    assert refused
