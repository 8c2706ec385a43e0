"""The golden model against a scalar reference that follows the law of arithmetic sample for
sample.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.hw.contract import arith, presets
from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network, Stage, Taps
from twofold.sim.workloads.random_network import random_inputs, random_network, random_quantized
from twofold.sw.artefacts import QuantizedLayer
from twofold.sw.errors import ArtefactError
from twofold.sw.golden import forward
from twofold.sw.golden.model import FEW

POOLED = {"max": max, "sum": sum, "mean": sum}
"""What a mean divides by is in the constants of its layer."""


def accumulate(stage, weight, x, zero, kernel, row, col):
    """Sum of products at one position."""
    acc = 0
    channels, height, width = stage.in_shape
    for c in range(channels):
        for dy in range(stage.kernel[0]):
            for dx in range(stage.kernel[1]):
                w = int(weight[kernel][c][dy][dx])
                y = row * stage.strides[0] + dy - stage.edges[0]
                z = col * stage.strides[1] + dx - stage.edges[1]
                inside = 0 <= y < height and 0 <= z < width
                acc += w * (int(x[c][y][z]) if inside else zero)
    return acc


def scalar_layer(stage: Stage, layer: QuantizedLayer, x, zero: int):
    """Output of a layer as nested lists ``[channel][row][column]``, with Python integers only."""
    channels, rows, cols = stage.out_shape
    down, across = stage.pool_window
    weight = layer.weight.reshape(stage.channels, stage.in_shape[0], *stage.kernel).tolist()
    out = [[[0] * cols for _ in range(rows)] for _ in range(channels)]
    for o in range(channels):
        for r in range(rows):
            for c in range(cols):
                positions = [
                    accumulate(stage, weight, x, zero, o, r * down + py, c * across + px)
                    for py in range(down)
                    for px in range(across)
                ]
                assert all(acc.bit_length() < stage.acc_bits for acc in positions)
                acc = POOLED[stage.pooling.name](positions)
                assert acc == stage.pooling.pooled(positions)
                assert acc.bit_length() < stage.pooled_bits
                add, mul = int(layer.add[o]), 1 if layer.mul is None else int(layer.mul[o])
                value = acc + add if stage.last else arith.requantise(acc, add, layer.shift, mul)
                out[o][r][c] = value
    if stage.last:
        return out
    for r in range(rows):
        for c in range(cols):
            kept = arith.winners([out[o][r][c] for o in range(channels)], stage.k)
            for o in set(range(channels)) - set(kept):
                out[o][r][c] = 0
    return out


def scalar_count(stage: Stage, layer: QuantizedLayer, x) -> int:
    """Multiplications of a layer, one activation, position and stored weight at a time."""
    count = 0
    channels, height, width = stage.in_shape
    stored = (layer.weight.reshape(stage.channels, channels, *stage.kernel) != 0).sum(axis=0)
    down, across = stage.pool_window
    for row in range(stage.out_shape[1] * down):
        for col in range(stage.out_shape[2] * across):
            if stage.index == 0 and not stage.layer.FLATTENS:
                sets = isinstance(stage.layer.sparsity, Complementary)
                count += stage.channels * stage.fan_in if sets else stage.weights
                continue
            for dy in range(stage.kernel[0]):
                for dx in range(stage.kernel[1]):
                    y = row * stage.strides[0] + dy - stage.edges[0]
                    z = col * stage.strides[1] + dx - stage.edges[1]
                    inside = 0 <= y < height and 0 <= z < width
                    for c in range(channels):
                        taps = isinstance(stage.layer.sparsity, Taps)
                        slots = int(stored[c][dy][dx]) if taps else stage.sets
                        count += slots if (x[c][y][z] if inside else stage.zero) else 0
    return count


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 30), machine=st.booleans())
def test_equals_the_scalar_reference(seed, machine):
    network = random_network(seed, machine=machine)
    quantized = random_quantized(network, seed)
    inputs = random_inputs(network, 2, seed)
    golden = forward(quantized, inputs)
    for sample, image in enumerate(inputs):
        seen, x = {-1: image.tolist()}, []
        for index, (stage, layer) in enumerate(zip(network.stages, quantized.layers, strict=True)):
            if len(stage.sources) > 1:  # additions have a scalar rule of their own, in test_add
                seen[index] = golden.activations[index][sample].tolist()
                continue
            x = seen[max(stage.sources)]
            assert golden.multiplications[sample, index] == scalar_count(stage, layer, x)
            x = seen[index] = scalar_layer(stage, layer, x, stage.zero)
            if not stage.last:
                assert golden.activations[index][sample].tolist() == x
                assert golden.nonzero[sample, index] == np.count_nonzero(x)
        logits = [channel[0][0] for channel in x]
        assert golden.logits[sample].tolist() == logits
        assert (golden.labels is None) == (not network.labels)
        if golden.labels is not None:
            assert golden.labels[sample] == arith.argmax(logits)


def hidden_layer(**options) -> Network:
    return Network(
        name="one",
        input_shape=(1, 6, 6),
        layers=(Conv2d(out_channels=4, kernel=(3, 3), **options), Linear(out_features=3)),
        labels=("a", "b", "c"),
        zero_point=7,
    )


def test_ties_go_to_the_lower_channel():
    quantized = random_quantized(hidden_layer(k=2))
    same = QuantizedLayer(
        weight=np.ones((4, 1, 3, 3), dtype=np.int8), add=np.zeros(4, np.int32), shift=4
    )
    equal = type(quantized)(quantized.network, (same, quantized.layers[1]), 1.0)
    inputs = np.full((1, 6, 6), 100, dtype=np.uint8)
    (hidden,) = forward(equal, inputs).activations
    assert (hidden[:, :2] == 900 >> 4).all()
    assert not hidden[:, 2:].any()


def test_chunks_do_not_show():
    network = random_network(5)
    quantized, inputs = random_quantized(network), random_inputs(network, 300)
    done = []
    whole = forward(quantized, inputs, progress=done.append)
    assert sum(done) == 300
    single = forward(quantized, inputs[137:138], keep_activations=False)
    assert single.activations == ()
    assert (single.logits[0] == whole.logits[137]).all()
    assert (single.multiplications[0] == whole.multiplications[137]).all()


def test_no_samples():
    quantized = random_quantized(presets.network("tiny"))
    golden = forward(quantized, np.zeros((0, 8, 8), dtype=np.uint8))
    assert golden.logits.shape == (0, 10)
    assert golden.activations[0].shape == (0, 16, 3, 3)


@pytest.mark.parametrize(
    "inputs",
    [
        np.zeros((1, 8, 9), dtype=np.uint8),
        np.zeros((1, 2, 8, 8), dtype=np.uint8),
        np.zeros((1, 8, 8), dtype=np.int16),
        np.zeros((8, 8), dtype=np.uint8),
    ],
)
def test_images_of_another_shape_are_refused(inputs):
    with pytest.raises(ArtefactError, match=r"needs uint8\[samples, 1, 8, 8\]"):
        forward(random_quantized(presets.network("tiny")), inputs)


def test_sparsity_pays():
    """Counts of the sparse-sparse network stay far below the dense network's."""
    network = presets.network("gsc")
    golden = forward(random_quantized(network), random_inputs(network, 4))
    conv1, conv2, linear1, linear2 = golden.multiplications.max(axis=0)
    assert conv1 == 28 * 28 * 64 * 4
    assert conv2 <= 10 * 10 * 25 * 4 * 8
    assert linear1 <= 25 * 8 * 60
    assert linear2 <= 150 * 12
    assert golden.multiplications_dense == 784 * 64 * 25 + 100 * 64 * 1600 + 1600 * 1500 + 18000


@pytest.mark.parametrize("seed", range(12))
def test_few_samples_are_computed_like_many(seed):
    """As one product of matrices, or weight by weight."""
    network = random_network(seed)
    quantized = random_quantized(network, seed)
    inputs = random_inputs(network, FEW + 3, seed)
    many, few = forward(quantized, inputs), forward(quantized, inputs[:5])
    np.testing.assert_array_equal(few.logits, many.logits[:5])
    np.testing.assert_array_equal(few.multiplications, many.multiplications[:5])
    for one, other in zip(few.activations, many.activations, strict=True):
        np.testing.assert_array_equal(one, other[:5])
