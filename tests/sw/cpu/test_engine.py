"""The CPU engine equals the golden model on every instruction set of this machine."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.hw.contract import presets
from twofold.hw.contract.errors import NetworkError, ToolError
from twofold.hw.contract.layers import POOLINGS
from twofold.hw.contract.network import CHANNELS_MAX, Complementary, Conv2d, Linear, Network, Taps
from twofold.sim.workloads.random_network import random_inputs, random_network, random_quantized
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.cpu import CpuEngine, available_isas
from twofold.sw.errors import ArtefactError
from twofold.sw.golden import forward

ISAS = available_isas()
NETWORKS = Path(__file__).parents[3] / "sw" / "networks"


def check(quantized: QuantizedNetwork, inputs: np.ndarray, counts: tuple[int, ...]) -> None:
    """Compare the first samples of ``inputs`` for every count and instruction set."""
    golden = forward(quantized, inputs, keep_activations=False)
    for isa in ISAS:
        with CpuEngine(quantized, threads=2, isa=isa) as engine:
            for count in counts:
                logits, labels = engine.infer(inputs[:count])
                where = f"{quantized.network.name}, {isa}, {count} samples"
                np.testing.assert_array_equal(logits, golden.logits[:count], where)
                assert logits.dtype == np.int32
                assert (labels is None) == (golden.labels is None) == (not quantized.network.labels)
                if labels is not None and golden.labels is not None:
                    np.testing.assert_array_equal(labels, golden.labels[:count], where)
                    assert labels.dtype == np.int64


def classes(count: int) -> tuple[str, ...]:
    return tuple(f"class {index}" for index in range(count))


@given(seed=st.integers(0, 2**31), machine=st.booleans(), samples=st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_random_networks(seed: int, machine: bool, samples: int):
    quantized = random_quantized(random_network(seed, machine=machine), seed)
    check(quantized, random_inputs(quantized.network, samples, seed), (samples, 1))


@pytest.mark.parametrize("channels", [65_535, CHANNELS_MAX])
def test_a_first_layer_of_as_many_channels_as_there_can_be(channels: int):
    """Sparse and linear: the kernels of the engine that number channels in 16 bits."""
    hidden = Linear(out_features=6, sparsity=Complementary(2))
    network = Network("long", (channels, 1, 1), (hidden, Linear(out_features=3)), classes(3))
    quantized = random_quantized(network, 2)
    inputs = random_inputs(network, 3, 2)
    inputs[:, -1] = 255
    check(quantized, inputs, (3, 1))
    with pytest.raises(NetworkError, match=f"input of {CHANNELS_MAX + 1} channels, {CHANNELS_MAX}"):
        replace(network, input_shape=(CHANNELS_MAX + 1, 1, 1))


@given(seed=st.integers(0, 2**31), data=st.data())
@settings(max_examples=10, deadline=None)
def test_wide_layers(seed: int, data: st.DataObject):
    """More channels than a register holds, large windows, many winners, thin last blocks."""
    draw = data.draw
    convolutions = [
        Conv2d(
            out_channels=draw(st.sampled_from((40, 64, 70, 130))),
            kernel=(draw(st.integers(1, 5 - 3 * index)), draw(st.integers(1, 5 - 3 * index))),
            pool=(draw(st.integers(1, 3 - index)), draw(st.integers(1, 3 - index))),
            pooling=draw(st.sampled_from(sorted(POOLINGS))),
            stride=draw(st.integers(1, 2 - index)),
            padding=draw(st.integers(0, 2)),
        )
        for index in range(draw(st.integers(1, 2)))
    ]
    layers = [
        replace(layer, k=draw(st.sampled_from((None, 1, 6, 13, layer.out_channels))))
        for layer in convolutions
    ]
    layers[1:] = [replace(layer, sparsity=Complementary(8)) for layer in layers[1:]]
    units = draw(st.sampled_from((65, 200)))
    network = Network(
        name="wide",
        input_shape=(draw(st.integers(1, 2)), 20, 18),
        layers=(
            *layers,
            Linear(out_features=units, sparsity=Complementary(units // 5), k=units // 9),
            Linear(out_features=3),
        ),
        labels=classes(3),
        zero_point=draw(st.integers(0, 255)),
    )
    quantized = random_quantized(network, seed)
    check(quantized, random_inputs(network, 21, seed), (21, 2))


@pytest.mark.parametrize("variant", presets.VARIANTS)
def test_gsc(variant: str):
    quantized = random_quantized(presets.network("gsc", variant), 7)
    check(quantized, random_inputs(quantized.network, 35, 7), (35, 16, 5, 1))


def test_shipped_network():
    quantized = QuantizedNetwork.load(NETWORKS / "gsc-fast.npz")
    check(quantized, random_inputs(quantized.network, 50, 9), (50, 1))


def test_more_samples_than_a_chunk():
    quantized = random_quantized(presets.network("tiny"), 3)
    check(quantized, random_inputs(quantized.network, 600, 3), (600, 257, 0))


@pytest.mark.parametrize("pool", [(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (2, 3)])
@pytest.mark.parametrize(("cols", "kernels"), [(5, 3), (16, 16), (34, 70), (37, 64)])
def test_first_layers_over_one_channel(pool: tuple[int, int], cols: int, kernels: int):
    """Rows shorter and longer than blocks of 16 positions, odd numbers of taps, strides."""
    rows, winners = 11, max(1, kernels // 5)
    counts = tuple(1 + index % 6 for index in range(kernels))
    for stride in (1, (2, 1)):
        first = Conv2d(
            out_channels=kernels, kernel=(3, 2), pool=pool, stride=stride, sparsity=Taps(counts),
            k=winners if kernels > 60 else None,
        )  # fmt: skip
        layers = (first, Linear(out_features=3))
        quantized = random_quantized(Network("rows", (1, rows, cols), layers, classes(3)), kernels)
        inputs = random_inputs(quantized.network, 18, cols)
        inputs[0], inputs[1] = 0, 255
        check(quantized, inputs, (18, 1))


@pytest.mark.parametrize("pooling", sorted(POOLINGS))
def test_pooling_of_whole_maps(pooling: str):
    """More places than kernels with registers for them take, and sums of hundreds of positions."""
    network = Network(
        name="whole",
        input_shape=(1, 24, 19),
        layers=(
            Conv2d(out_channels=70, kernel=(3, 2), k=9),
            Conv2d(out_channels=64, kernel=(3, 3), pool=(20, 16), pooling=pooling),
            Linear(out_features=3),
        ),
        labels=classes(3),
    )
    assert network.stages[1].positions == 320
    quantized = random_quantized(network, 1)
    check(quantized, random_inputs(network, 21, 1), (21, 1))


def test_extreme_integers():
    """All weights -128 or 127 and all activations 255: nothing saturates on the way."""
    network = Network(
        name="extreme",
        input_shape=(1, 12, 12),
        layers=(
            Conv2d(out_channels=64, kernel=(5, 5), pool=2, sparsity=Taps((25,) * 64)),
            Conv2d(out_channels=64, kernel=(3, 3)),
            Linear(out_features=64),
            Linear(out_features=2),
        ),
        labels=classes(2),
    )
    quantized = random_quantized(network, 1)
    for weight in (-128, 127):
        layers = tuple(
            replace(layer, weight=np.full_like(layer.weight, weight), add=layer.add * 0, shift=0)
            for layer in quantized.layers
        )
        extreme = replace(quantized, layers=layers)
        check(extreme, np.full((17, 1, 12, 12), 255, dtype=np.uint8), (17, 1))


def test_equal_values_keep_the_lower_index():
    """Every channel the same: the first k win, which the last layer can tell apart."""
    network = Network(
        name="ties",
        input_shape=(1, 4, 4),
        layers=(
            Conv2d(out_channels=70, kernel=(1, 1), sparsity=Taps((1,) * 70), k=9),
            Linear(out_features=100, k=11),
            Linear(out_features=3),
        ),
        labels=classes(3),
    )
    quantized = random_quantized(network, 5)
    first, second, last = quantized.layers
    even = (
        replace(first, weight=np.ones_like(first.weight), add=first.add * 0, shift=0),
        replace(second, weight=np.ones_like(second.weight), add=second.add * 0, shift=8),
        last,
    )
    check(replace(quantized, layers=even), random_inputs(network, 20, 5), (20, 1))


def test_images_without_channels_and_not_contiguous():
    quantized = random_quantized(presets.network("tiny"), 2)
    inputs = random_inputs(quantized.network, 8, 2)
    with CpuEngine(quantized) as engine:
        logits, _ = engine.infer(inputs)
        np.testing.assert_array_equal(engine.infer(inputs[:, 0])[0], logits)
        np.testing.assert_array_equal(engine.infer(inputs[::2])[0], logits[::2])


def test_engines_on_several_threads():
    quantized = random_quantized(presets.network("tiny"), 4)
    inputs = random_inputs(quantized.network, 300, 4)
    expected = forward(quantized, inputs, keep_activations=False).logits
    differing: list[int] = []

    def work() -> None:
        with CpuEngine(quantized, threads=2) as engine:
            for _ in range(20):
                differing.append(int((engine.infer(inputs)[0] != expected).sum()))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert differing == [0] * 60


def test_layer_times():
    quantized = random_quantized(presets.network("gsc"), 2)
    inputs = random_inputs(quantized.network, 32, 2)
    with CpuEngine(quantized, threads=1) as engine:
        engine.infer(inputs)
        assert all(layer.seconds == 0 for layer in engine.layer_times())
        engine.time_layers()
        engine.infer(inputs)
        times = engine.layer_times()
    assert [layer.name for layer in times] == ["conv1", "conv2", "linear1", "linear2"]
    assert all(layer.seconds > 0 and layer.kernel for layer in times)


def test_wrong_inputs():
    quantized = random_quantized(presets.network("tiny"), 2)
    with CpuEngine(quantized, threads=1) as engine:
        for inputs, found in (
            (np.zeros((2, 1, 8, 7), dtype=np.uint8), r"uint8\[2, 1, 8, 7\]"),
            (np.zeros((2, 1, 8, 8), dtype=np.int8), r"int8\[2, 1, 8, 8\]"),
            (np.zeros((8, 8), dtype=np.uint8), r"uint8\[8, 8\]"),
        ):
            with pytest.raises(ArtefactError, match=found):
                engine.infer(inputs)


def test_wrong_arguments():
    quantized = random_quantized(presets.network("tiny"), 2)
    with pytest.raises(ToolError, match="isa is 'sse9', this machine has portable"):
        CpuEngine(quantized, isa="sse9")
    with pytest.raises(ToolError, match=r"threads is 0, needs 1\.\.1024"):
        CpuEngine(quantized, threads=0)
    engine = CpuEngine(quantized)
    engine.close()
    engine.close()
    with pytest.raises(ToolError, match="closed"):
        engine.infer(random_inputs(quantized.network, 1))


def test_a_layer_that_is_too_wide():
    network = Network(
        name="wide",
        input_shape=(1, 2, 2),
        layers=(Linear(out_features=8193), Linear(out_features=2)),
        labels=classes(2),
    )
    with pytest.raises(ArtefactError, match="linear1: 8193 kernels"):
        CpuEngine(random_quantized(network))
