"""Additions of two layers: every implementation gives the integers of the scalar rule."""

import numpy as np
import pytest

from twofold.hw.contract.network import Add, Conv2d, Grouped, Linear, Network
from twofold.sim.workloads.random_network import random_inputs, random_network, random_quantized
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.cpu.engine import CpuEngine, available_isas
from twofold.sw.golden.model import forward
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.export.runtime import OnnxNetwork
from twofold.sw.onnx.importer.assemble import import_onnx
from twofold.sw.quantize.integer import integer_logits


def residual(*, multiplier: bool = False, k: int | None = None, zero: int = 0) -> QuantizedNetwork:
    """A strided branch of one pixel, and one that skips a layer with negative values."""
    layers = (
        Conv2d(out_channels=4, kernel=(3, 3), padding=1, k=k),
        Conv2d(out_channels=4, kernel=(3, 3), stride=2, padding=1, k=k),
        Conv2d(out_channels=4, kernel=(1, 1), stride=2, source=0, k=k),
        Add(other=1, sparsity=Grouped(4), multiplier=multiplier, k=k),
        Conv2d(out_channels=4, kernel=(3, 3), padding=1, k=k, zero=zero),
        Add(other=3, sparsity=Grouped(4), k=2),
        Linear(out_features=3),
    )
    return random_quantized(Network("residual", (1, 8, 8), layers, ("a", "b", "c"), 9), 3)


CASES = [{}, {"multiplier": True, "zero": 128}, {"k": 2}]


@pytest.mark.parametrize("case", CASES)
def test_golden_model_follows_the_scalar_rule(case: dict) -> None:
    quantized = residual(**case)
    golden = forward(quantized, random_inputs(quantized.network, 3))
    stage, layer = quantized.network.stages[3], quantized.layers[3]
    sides = [golden.activations[source].astype(int) for source in stage.sources]
    weights = [layer.weight[..., at].diagonal().astype(int) for at in range(2)]
    for place in np.ndindex(sides[0].shape):
        channel = place[1]
        acc = sum(
            int(weight[channel]) * int(x[place]) for weight, x in zip(weights, sides, strict=True)
        )
        acc *= 1 if layer.mul is None else int(layer.mul[channel])
        value = min(max((acc + int(layer.add[channel])) >> layer.shift, 0), 255)
        assert golden.activations[3][place] in ((value,) if stage.k == 4 else (value, 0))
    assert golden.activations[3].any() and golden.activations[5].any()


@pytest.mark.parametrize("case", CASES)
def test_all_implementations_agree(case: dict) -> None:
    quantized = residual(**case)
    inputs = random_inputs(quantized.network, 70)
    logits = forward(quantized, inputs).logits
    assert len(np.unique(logits)) > 10
    assert (integer_logits(quantized, inputs) == logits).all()
    assert (OnnxNetwork(export(quantized).SerializeToString()).logits(inputs) == logits).all()
    for isa in available_isas():
        for threads in (1, 2):
            assert (CpuEngine(quantized, threads, isa).infer(inputs)[0] == logits).all()
    imported = import_onnx(export(quantized).SerializeToString())
    assert imported.network.stages[3].sources == (2, 1)
    assert (forward(imported, inputs).logits == logits).all()


@pytest.mark.parametrize("seed", range(100, 112))
def test_random_blocks_agree(seed: int) -> None:
    network = random_network(seed)
    quantized, inputs = random_quantized(network, seed), random_inputs(network, 17, seed)
    logits = forward(quantized, inputs).logits
    assert (integer_logits(quantized, inputs) == logits).all()
    assert (CpuEngine(quantized).infer(inputs)[0] == logits).all()
