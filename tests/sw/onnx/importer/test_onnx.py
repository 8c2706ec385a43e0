"""ONNX import: our own exports come back with the same integers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.hw.contract import presets
from twofold.sim.workloads.random_network import random_inputs, random_network, random_quantized
from twofold.sw.artefacts.quantized import FIXED
from twofold.sw.data.frontend import CENTRED
from twofold.sw.golden import forward
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.importer.assemble import import_onnx


def imported(quantized):
    return import_onnx(export(quantized).SerializeToString())


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1 << 30), machine=st.booleans())
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
    assert imported(quantized).front_end == FIXED
    assert imported(replace(quantized, front_end=CENTRED)).front_end == CENTRED


@pytest.mark.parametrize("variant", presets.VARIANTS)
@pytest.mark.parametrize("name", presets.NETWORKS)
def test_presets_come_back_whole(name, variant):
    quantized = random_quantized(presets.network(name, variant))
    back = imported(quantized)
    assert back.network == quantized.network
    for mine, theirs in zip(back.layers, quantized.layers, strict=True):
        assert np.array_equal(mine.weight, theirs.weight)
        assert np.array_equal(mine.add, theirs.add) and mine.shift == theirs.shift
