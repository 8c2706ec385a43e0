"""Targets, widths of the input, and that large layers are solved in bounded work."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.hw.boards import default, find
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.folding import plans
from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network
from twofold.hw.contract.presets import folding, network
from twofold.hw.contract.regs import BEAT_BYTES, sample_bytes
from twofold.hw.solve.choose import CLOSE, Target, choose, input_width, input_widths
from twofold.hw.solve.promising import FEW, QUICK, promising
from twofold.hw.solve.solver import arrival, fits, keeps_pace
from twofold.sim.workloads.random_network import random_network

SEEDS = st.integers(0, 1 << 20)


def test_targets_are_positive() -> None:
    for target in (Target(cycles=0), Target(latency=-1)):
        with pytest.raises(FoldingError, match="needs >= 1"):
            choose(network("tiny"), target)


@given(SEEDS)
def test_every_width_can_be_built(seed: int) -> None:
    chosen = random_network(seed)
    row, size = chosen.input_shape[2], sample_bytes(chosen)
    for width in input_widths(chosen):
        assert size % width == 0
        assert row % width == 0 or width % row == 0
        assert BEAT_BYTES % width == 0 or width % BEAT_BYTES == 0
    assert 1 in input_widths(chosen)


def test_width_follows_the_cycles() -> None:
    chosen = network("gsc")
    for cycles in (16, 32, 100, 1024, 5000):
        assert arrival(chosen, input_width(chosen, cycles)) <= cycles
    assert arrival(chosen, input_width(chosen, 1)) == 16
    odd = replace(chosen, input_shape=(1, 32, 27), layers=(*chosen.layers[:1], *chosen.layers[2:]))
    assert input_widths(odd) == [1]


def check_machines(seed: int) -> None:
    """The fastest, a slow one and one of low latency are what was asked for."""
    chosen = random_network(seed)
    fastest = choose(chosen, Target())
    slow = choose(chosen, Target(cycles=20 * fastest.cycles))
    for found in (fastest, slow):
        assert found.plans == plans(chosen, found.folding)
        assert found.folding.input_bytes in input_widths(chosen)
        assert fits(found.resources, default().budget)
        assert keeps_pace(found)
    assert slow.cycles <= 20 * fastest.cycles
    quick = choose(chosen, Target(latency=2 * fastest.sample.latency))
    assert quick.sample.latency <= 2 * fastest.sample.latency


@settings(max_examples=5)
@given(SEEDS)
def test_any_network_that_the_engines_serve_gets_its_machines(seed: int) -> None:
    check_machines(seed)


@pytest.mark.nightly
@settings(max_examples=40)
@given(SEEDS)
def test_many_networks_that_the_engines_serve_get_their_machines(seed: int) -> None:
    check_machines(seed)


def test_the_fastest_of_the_speech_network_is_as_fast_as_the_shipped_one() -> None:
    found = choose(network("gsc", "fast"), Target())
    shipped = plans(found.network, folding("gsc", "fast", "full"))
    assert found.cycles <= CLOSE * max(plan.cycles for plan in shipped)
    assert fits(found.resources, default().budget)


def test_a_smaller_board_gives_a_slower_machine() -> None:
    board = find("u55c")
    found = choose(network("gsc", "fast"), Target(board=board))
    assert found.board is board
    assert fits(found.resources, board.budget)


LARGE = Network(
    name="large",
    input_shape=(3, 64, 64),
    labels=tuple("abcdefghij"),
    layers=(
        Conv2d(out_channels=96, kernel=(5, 5), padding=2, pool=2),
        Conv2d(out_channels=96, kernel=(3, 3), padding=1, pool=2),
        Conv2d(out_channels=180, kernel=(3, 3), padding=1, pool=2, sparsity=Complementary(60)),
        Conv2d(out_channels=60, kernel=(3, 3), pool=2, sparsity=Complementary(60), k=20),
        Linear(out_features=720, sparsity=Complementary(360), k=60),
        Linear(out_features=10),
    ),
)


def test_large_layers_have_few_promising_candidates() -> None:
    for stage in LARGE.stages:
        found = promising(LARGE, stage, 200_000, QUICK, 4)
        assert 0 < len(found) <= FEW
        assert len(found) == len(set(found))


def test_a_large_network_is_solved() -> None:
    found = choose(LARGE, Target(cycles=2_000_000))
    assert found.cycles <= 2_000_000
    assert fits(found.resources, default().budget)


def test_what_no_engine_serves_is_said_first() -> None:
    units = Linear(out_features=1 << 12)  # over 98,304 inputs, each a row of weights
    wide = replace(LARGE, layers=(*LARGE.layers[:1], units, Linear(out_features=10)))
    with pytest.raises(FoldingError, match=r"linear1: .*packed format takes"):
        choose(wide, Target())
