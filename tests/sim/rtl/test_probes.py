"""Beats and their meaning: samples and inputs into beats, probes back to activations."""

import numpy as np
import pytest

from twofold.hw.contract.errors import ParameterError
from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding, ScatterPlan, plans
from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.hw.engines.links import entry_layout, winner_layout
from twofold.sim.rtl.beats import cycles_per_sample, parameter_beats, pixel_beats
from twofold.sim.rtl.probes import decode_probes, unpack_field

NETWORK = Network(
    name="probes",
    input_shape=(1, 14, 18),
    layers=(
        Conv2d(out_channels=5, kernel=(3, 3), pool=2, k=3),
        Linear(out_features=40, k=7),
        Linear(out_features=3),
    ),
    labels=("a", "b", "c"),
)
FOLDING = Folding(
    (
        GatherFolding(rows=3, cols=4),
        ScatterFolding(engines=1, lanes=40),
        ScatterFolding(engines=3),
    ),
    input_bytes=6,
)
SAMPLES = 3


def dense_winners(generator: np.random.Generator, shape: tuple[int, ...], k: int) -> np.ndarray:
    """Activations with at most ``k`` winners along axis 1."""
    values = generator.integers(0, 256, shape).astype(np.uint8)
    order = np.argsort(generator.random(shape), axis=1)
    return np.where(order < k, values, 0).astype(np.uint8)


def entries(channels: list[int], k: int) -> list[tuple[int, int]]:
    """Winner list of a pixel or vector: non-zero values with their index, then empty entries."""
    found = [(index, value) for index, value in enumerate(channels) if value]
    return (found + [(0, 0)] * k)[:k]


def as_beats(beats: list[int], bits: int) -> np.ndarray:
    size = 4 * -(-bits // 32)
    whole = b"".join(beat.to_bytes(size, "little") for beat in beats)
    return np.frombuffer(whole, np.uint8).reshape(-1, size)


def entry_bits(entry: tuple[int, int], channels: int) -> int:
    layout = entry_layout(channels)
    return entry[0] << layout["index"].offset | entry[1] << layout["value"].offset


def test_activations_come_back_from_beats():
    generator = np.random.default_rng(5)
    found = plans(NETWORK, FOLDING)
    conv, linear = found[0], found[1]
    assert isinstance(linear, ScatterPlan)
    pixels = dense_winners(generator, (SAMPLES, *conv.stage.out_shape), conv.stage.k)
    vectors = dense_winners(generator, (SAMPLES, 40), 7)
    rows, cols, size = 3, 4, entry_layout(5).size
    lists = [
        sum(
            entry_bits(entries(sample[:, y + ty, x + tx].tolist(), 3)[at], 5)
            << size * (4 * ty + tx)
            for ty in range(rows)
            for tx in range(cols)
        )
        for sample in pixels
        for y in range(0, 6, rows)
        for x in range(0, 8, cols)
        for at in range(3)
    ]
    size, layout, winners = entry_layout(40).size, winner_layout(40, 3), []
    for sample in vectors:
        chosen = entries(sample.tolist(), 9)
        for at in range(0, 9, 3):
            beat = sum(entry_bits(e, 40) << size * i for i, e in enumerate(chosen[at : at + 3]))
            winners.append(beat | (at == 6) << layout["last"].offset)
    beats = [as_beats(lists, 12 * entry_layout(5).size), as_beats(winners, layout.size)]
    found_pixels, found_vectors = decode_probes(found, beats)
    assert (found_pixels == pixels).all()
    assert (found_vectors == vectors).all()
    assert found_pixels.any()


def test_fields_across_bytes():
    beats = as_beats([0b1_101_0110_1100_0000, 0], 32)
    assert unpack_field(beats, 6, 3, 4).tolist() == [[0b1011, 0b0101, 0b11], [0, 0, 0]]
    assert unpack_field(beats[:0], 6, 3, 4).shape == (0, 3)


def test_pixels_fill_beats_from_the_low_byte():
    inputs = np.arange(2 * 15, dtype=np.uint8).reshape(2, 3, 5)
    beats, per_sample = pixel_beats(inputs, 6, 8)
    assert per_sample == 3
    assert beats[1].tolist() == [6, 7, 8, 9, 10, 11, 0, 0]
    assert beats[2].tolist() == [12, 13, 14, 0, 0, 0, 0, 0]
    assert beats[3].tolist() == [15, 16, 17, 18, 19, 20, 0, 0]


def test_the_last_sample_of_an_image_is_marked():
    beats = parameter_beats(bytes(range(1, 13)), 8)
    assert beats[0].tolist() == [1, 2, 3, 4, 0, 0, 0, 0]
    assert beats[2].tolist() == [9, 10, 11, 12, 1, 0, 0, 0]
    with pytest.raises(ParameterError, match="is 5 bytes long"):
        parameter_beats(bytes(5), 8)


def test_the_steady_state_ignores_the_first_half():
    assert cycles_per_sample(np.array([100, 500, 600, 700, 800])) == 100
    assert cycles_per_sample(np.array([100])) == 0
