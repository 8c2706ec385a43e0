"""ONNX import: our own exports come back with the same integers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from twofold.hw.contract import presets
from twofold.sim.workloads.random_network import (
    random_inputs,
    random_network,
    random_quantized,
    with_outputs,
)
from twofold.sw.data.frontend import CENTRED
from twofold.sw.errors import OnnxError
from twofold.sw.golden import forward
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.importer.assemble import import_onnx


def imported(quantized):
    return import_onnx(export(quantized).SerializeToString())


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1 << 30), machine=st.booleans())
@example(seed=1336, machine=False)  # an addition of maps of one pixel
def test_exports_come_back(seed, machine):
    network = random_network(seed, machine=machine)
    quantized = random_quantized(network, seed)
    back = imported(quantized)
    inputs = random_inputs(network, 16, seed)
    assert np.array_equal(forward(back, inputs).logits, forward(quantized, inputs).logits)
    assert back.network.labels == network.labels
    assert back.logit_scale == quantized.logit_scale
    assert back.network.zero_point == network.zero_point


def test_front_end_comes_back():
    quantized = random_quantized(presets.network("tiny"))
    assert imported(quantized).front_end is None
    centred = replace(quantized, input={"kind": "audio", "front_end": CENTRED})
    assert imported(centred).front_end == CENTRED


@pytest.mark.parametrize("variant", presets.VARIANTS)
@pytest.mark.parametrize("name", presets.NETWORKS)
def test_presets_come_back_whole(name, variant):
    quantized = random_quantized(presets.network(name, variant))
    back = imported(quantized)
    assert back.network == quantized.network
    for mine, theirs in zip(back.layers, quantized.layers, strict=True):
        assert np.array_equal(mine.weight, theirs.weight)
        assert np.array_equal(mine.add, theirs.add) and mine.shift == theirs.shift


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("outputs", [16, 100, 640])
def test_networks_of_any_outputs_come_back(outputs, labelled):
    quantized = random_quantized(with_outputs(random_network(2), outputs, labelled=labelled), 2)
    back = imported(quantized)
    assert back.network.labels == quantized.network.labels
    assert back.logit_scale == quantized.logit_scale
    inputs = random_inputs(quantized.network, 5, 2)
    assert np.array_equal(forward(back, inputs).logits, forward(quantized, inputs).logits)


def test_outputs_are_raw_where_the_user_says_so():
    quantized = random_quantized(with_outputs(random_network(2), 20), 2)
    content = export(quantized).SerializeToString()
    assert import_onnx(content, raw=True).network.labels == ()
    assert import_onnx(content).network.labelled


def test_what_no_machine_holds_is_refused_when_it_is_read():
    model = export(random_quantized(with_outputs(random_network(2), 8192, labelled=False), 2))
    last = next(one for one in model.graph.initializer if one.name == "linear2.weight")
    assert last.dims[0] == 8192
    one_more = numpy_helper.to_array(last)
    grown = np.concatenate([one_more, one_more[:1]])
    last.CopyFrom(numpy_helper.from_array(grown, last.name))
    bias = next(one for one in model.graph.initializer if one.name == "linear2.bias")
    values = numpy_helper.to_array(bias)
    bias.CopyFrom(numpy_helper.from_array(np.concatenate([values, values[:1]]), bias.name))
    with pytest.raises(OnnxError, match=r"linear2: 8193 outputs, a network has 8192 at most"):
        import_onnx(model.SerializeToString())
