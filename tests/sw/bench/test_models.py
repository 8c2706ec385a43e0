"""Models for engines against the reference in NumPy, and the reference against the golden model."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.bench.floats import float_inputs
from twofold.sw.bench.models import float_model, int8_model
from twofold.sw.bench.reference import even_logits, float_logits
from twofold.sw.bench.subjects import Subject
from twofold.sw.golden import forward


def run(model: onnx.ModelProto, inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(None, {"image": inputs})[0])


def test_reference_rounds_halves_to_even_and_nothing_else(
    quantized: QuantizedNetwork, inputs: np.ndarray
):
    """Where no sum is half way, it is the golden model: constants are moved off by one step."""
    layers = tuple(
        layer if stage.last else replace(layer, weight=2 * (layer.weight // 2), add=layer.add | 1)
        for stage, layer in zip(quantized.network.stages, quantized.layers, strict=True)
    )
    odd = replace(quantized, layers=layers)
    expected = forward(odd, inputs, keep_activations=False).logits
    assert np.array_equal(even_logits(odd, inputs), expected)
    assert not np.array_equal(
        even_logits(quantized, inputs), forward(quantized, inputs, keep_activations=False).logits
    )


def test_int8_model_gives_the_integers_of_the_reference(
    quantized: QuantizedNetwork, inputs: np.ndarray
):
    expected = even_logits(quantized, inputs)
    assert np.array_equal(run(int8_model(quantized), inputs), expected)


def test_operators_give_the_integers_of_the_reference(
    subjects: dict[str, Subject], inputs: np.ndarray
):
    for name in ("dense", "pruned"):
        model = onnx.load(str(subjects[name].operators))
        assert np.array_equal(run(model, inputs), subjects[name].logits["int8"])


def test_float_model_and_reference_agree_with_pytorch(
    quantized: QuantizedNetwork, inputs: np.ndarray
):
    from twofold.sw.bench.engines.pytorch import float_forward

    expected = float_logits(quantized, inputs)
    x = float_inputs(quantized, inputs)
    step = np.abs(expected).max() * 1e-5
    assert np.abs(run(float_model(quantized), x) - expected).max() < step
    found = float_forward(quantized)(torch.from_numpy(x)).numpy()
    assert np.abs(found - expected).max() < step


def test_float_network_is_the_quantized_one_but_for_rounding(
    subjects: dict[str, Subject],
):
    whole, real = subjects["dense"].logits["exact"], subjects["dense"].logits["fp32"]
    assert (whole.argmax(1) == real.argmax(1)).mean() > 0.9
    assert np.corrcoef(whole.ravel(), real.ravel())[0, 1] > 0.95


def test_operators_have_no_winners(subjects: dict[str, Subject]):
    assert not subjects["fast"].operators.exists()
    assert "fp32" not in subjects["fast"].precisions


@pytest.mark.parametrize("samples", [1, 7])
def test_batch_can_be_fixed(quantized: QuantizedNetwork, samples: int):
    model = int8_model(quantized, samples)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == samples
