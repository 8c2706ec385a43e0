"""The float16 network: exact where it can be, within its limit where it rounds."""

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional as F

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.bench.engines.pytorch import forward_of
from twofold.sw.bench.floats import float_inputs, float_layers
from twofold.sw.bench.gpu.half import HALF, LOGIT, half_layers
from twofold.sw.bench.measure import AGREEMENT, LIMITS, compare
from twofold.sw.bench.reference import float_logits
from twofold.sw.bench.subjects import Subject, samples


def rounded(quantized: QuantizedNetwork, inputs: np.ndarray, kind: torch.dtype) -> np.ndarray:
    """Logits with every value rounded to ``kind`` and sums in float32."""

    def round_to(x: torch.Tensor) -> torch.Tensor:
        return x.to(kind).float()

    x = round_to(torch.from_numpy(float_inputs(quantized, inputs)))
    scale = [1.0] * (len(quantized.layers) - 1) + [1 / LOGIT]
    for stage, (weight, bias), factor in zip(
        quantized.network.stages, float_layers(quantized), scale, strict=True
    ):
        w, b = (round_to(torch.from_numpy(value * np.float32(factor))) for value in (weight, bias))
        if w.ndim == 4:
            x = F.max_pool2d(F.conv2d(x, w, b, stage.strides), stage.pool_window)
        else:
            x = F.linear(x.flatten(1), w, b)
        x = round_to(x if stage.last else F.relu(x))
    return x.double().numpy()


@pytest.fixture(scope="module")
def clips() -> dict[str, np.ndarray]:
    return {net: samples(net, None)[0] for net in ("tiny", "gsc")}


@pytest.mark.parametrize("net", ["tiny", "gsc"])
@pytest.mark.parametrize("variant", ["dense", "pruned"])
def test_limit_lets_float16_pass_and_bfloat16_not(clips, net: str, variant: str):
    quantized = QuantizedNetwork.load(shipped(net, variant))
    right = float_logits(quantized, clips[net]) / LOGIT
    error, agreement = compare(rounded(quantized, clips[net], torch.float16), right)
    assert 0 < error < LIMITS[HALF] / 2
    assert agreement >= AGREEMENT
    coarse, _ = compare(rounded(quantized, clips[net], torch.bfloat16), right)
    assert coarse > LIMITS[HALF]


def test_only_biases_are_rounded(on_gpus: dict[str, Subject]):
    subject = on_gpus["dense"]
    quantized = QuantizedNetwork.load(subject.artefact)
    for (weight, _), (half, _) in zip(
        float_layers(quantized)[:-1], half_layers(quantized)[:-1], strict=True
    ):
        assert np.array_equal(weight, half)
    last = half_layers(quantized)[-1][0]
    assert np.array_equal(float_layers(quantized)[-1][0], last.astype(np.float32) * LOGIT)
    inputs = np.load(subject.inputs[HALF])
    assert inputs.dtype == np.float16
    assert np.array_equal(inputs, np.load(subject.inputs["fp32"]))


def test_logits_that_float16_does_not_hold_have_a_larger_step(on_gpus: dict[str, Subject]):
    subject = on_gpus["dense"]
    assert np.abs(subject.logits["fp32"]).max() > np.finfo(np.float16).max
    quantized = QuantizedNetwork.load(subject.artefact)
    parameters = [(torch.from_numpy(w), torch.from_numpy(b)) for w, b in half_layers(quantized)]
    inputs = torch.from_numpy(np.load(subject.inputs[HALF]))
    found = forward_of(quantized.network, parameters)(inputs)
    assert found.dtype == torch.float16
    assert compare(found.double().numpy(), subject.logits[HALF])[0] < LIMITS[HALF] / 2


def test_model_is_in_float16_from_end_to_end(on_gpus: dict[str, Subject]):
    model = onnx.load(str(on_gpus["dense"].models[HALF]))
    kinds = {
        value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)
    }
    kinds |= {weight.data_type for weight in model.graph.initializer}
    assert kinds == {onnx.TensorProto.FLOAT16}
    whole = onnx.load(str(on_gpus["dense"].models["fp32"]))
    assert {weight.data_type for weight in whole.graph.initializer} == {onnx.TensorProto.FLOAT}


def test_precisions_of_a_gpu(subjects: dict[str, Subject], on_gpus: dict[str, Subject]):
    assert on_gpus["dense"].precisions == ("fp32", "fp16", "int8")
    assert on_gpus["regular"].precisions == ("fp32", "fp16", "fp16 2:4", "int8")
    assert on_gpus["fast"] is subjects["fast"]
    assert subjects["dense"].precisions == ("fp32", "int8")
