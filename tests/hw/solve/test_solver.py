"""The solver against exhaustive search, its limits, and its command."""

import math
from dataclasses import replace
from functools import cache
from itertools import product

import pytest

from twofold.hw.boards import default, find
from twofold.hw.boards.board import Region
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.errors import FoldingError, NetworkError
from twofold.hw.contract.folding import Folding, ScatterFolding, plans
from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network, Taps
from twofold.hw.contract.presets import folding, network
from twofold.hw.solve.candidates import candidates, divisors, fewest_for_each_share
from twofold.hw.solve.report import of_roofline, shares, utilisation
from twofold.hw.solve.solver import Solution, cost, fits, keeps_pace, solve

SMALL = Network(
    name="small",
    input_shape=(1, 6, 6),
    labels=("a", "b"),
    layers=(
        Conv2d(out_channels=4, kernel=(3, 3), pool=2, k=2, sparsity=Taps((2, 3, 2, 1))),
        Linear(out_features=12, k=4, sparsity=Complementary(4)),
        Linear(out_features=2),
    ),
)
INPUT = 6


@cache
def every_folding(frames: int) -> list[tuple[int, float, Resources]]:
    """Cycles, cost and area of all combinations of candidates that can be built."""
    found = []
    for layers in product(*(candidates(SMALL, stage, INPUT) for stage in SMALL.stages)):
        solution = Solution(SMALL, Folding(layers, input_bytes=INPUT, frames=frames))
        try:
            area = solution.resources
        except FoldingError:
            continue
        found.append((solution.cycles, cost(area), area))
    return found


@pytest.mark.parametrize("cycles", [12, 14, 16, 20, 30, 60, 200])
def test_least_of_all(cycles: int) -> None:
    solution = solve(SMALL, cycles, input_bytes=INPUT)
    others = every_folding(solution.folding.frames)
    assert solution.cycles <= cycles
    assert plans(SMALL, solution.folding) == solution.plans
    assert cost(solution.resources) == pytest.approx(
        min(price for taken, price, _ in others if taken <= cycles)
    )


@pytest.mark.parametrize("resource", ["lut", "ff", "bram36", "dsp"])
def test_least_within_a_tight_budget(resource: str) -> None:
    """Where the cheapest is over the budget of a resource, the cheapest of the rest is found."""
    cheapest = solve(SMALL, 30, input_bytes=INPUT).resources
    budget = replace(default().budget, **{resource: getattr(cheapest, resource) - 0.5})
    try:
        found = solve(SMALL, 30, input_bytes=INPUT, budget=budget)
    except FoldingError:
        assert not any(taken <= 30 and fits(area, budget) for taken, _, area in every_folding(2))
        return
    inside = [
        price
        for taken, price, area in every_folding(found.folding.frames)
        if taken <= 30 and fits(area, budget)
    ]
    assert fits(found.resources, budget)
    assert cost(found.resources) == pytest.approx(min(inside))


def test_slower_is_never_dearer() -> None:
    prices = [
        cost(solve(SMALL, cycles, input_bytes=INPUT).resources) for cycles in (14, 20, 40, 80)
    ]
    assert prices == sorted(prices, reverse=True)


def test_reference_network() -> None:
    """At most as dear as the shipped folding, and within the budget when given time."""
    chosen = network("gsc", "fast")
    shipped = Solution(chosen, folding("gsc", "fast", "full"))
    width = shipped.folding.input_bytes
    free = solve(chosen, shipped.cycles, budget=Resources(*[math.inf] * 5), input_bytes=width)
    assert free.cycles <= shipped.cycles
    assert cost(free.resources) <= cost(shipped.resources)
    inside = solve(chosen, 320)
    assert inside.cycles <= 320
    assert fits(inside.resources, default().budget)
    assert keeps_pace(inside)
    assert not keeps_pace(Solution(chosen, replace(shipped.folding, frames=2)))


def test_figures_of_layers() -> None:
    solution = Solution(network("gsc", "fast"), folding("gsc", "fast", "full"))
    conv1, conv2, linear1, linear2 = solution.plans
    assert [plan.products for plan in (conv1, conv2, linear1, linear2)] == [
        28 * 28 * 64 * 4,
        100 * 25 * 4 * 8,
        25 * 8 * 60,
        150 * 12,
    ]
    assert linear1.multipliers == 180
    assert all(0 < utilisation(plan, solution.cycles) <= 1 for plan in solution.plans)


@pytest.mark.parametrize(
    ("cycles", "message"),
    [
        (2, "arrives in 6 cycles"),
        (7, "samples wait for room in every machine of 7 cycles a sample"),
    ],
)
def test_too_fast(cycles: int, message: str) -> None:
    with pytest.raises(FoldingError, match=message):
        solve(SMALL, cycles, input_bytes=INPUT)


def test_too_small() -> None:
    with pytest.raises(FoldingError, match="within the budget"):
        solve(SMALL, 100, input_bytes=INPUT, budget=Resources(100, 100, 1, 1, 1))


def test_the_board_bounds_what_is_taken() -> None:
    free = solve(SMALL, 100, input_bytes=INPUT).resources
    small = Region(index=0, user=free * 0.9)
    board = replace(default(), regions=(small,), ceilings=Resources(1, 1, 1, 1, 1))
    with pytest.raises(FoldingError, match="within the budget"):
        solve(SMALL, 100, board=board, input_bytes=INPUT)
    assert cost(free, board) > cost(free)


@pytest.mark.parametrize("name", ["ulx3s-25f", "ulx3s-85f"])
def test_a_board_with_an_ecp5(name: str) -> None:
    """Within its budget, which has no UltraRAMs, and with a multiplier for each product."""
    board = find(name)
    found = solve(SMALL, 100, board=board, input_bytes=INPUT)
    assert found.cycles <= 100
    assert fits(found.resources, board.budget)
    assert found.resources.uram == 0
    here, there = found.resources, replace(found, board=default()).resources
    assert here.dsp > there.dsp and here.lut > there.lut
    assert {one.kind for one in found.components} >= {"link", "gather tile"}


def test_what_is_short_is_said() -> None:
    with pytest.raises(FoldingError, match=r"budget: it takes [\d,]+ lut, .* it takes [\d,]+ dsp"):
        solve(network("gsc", "fast"), 2600, board=find("ulx3s-25f"), input_bytes=4)


def test_shares_are_of_the_boards_regions() -> None:
    chosen, shape = network("gsc", "fast"), folding("gsc", "fast", "full")
    here, there = (shares(Solution(chosen, shape, find(name))) for name in ("u250", "u55c"))
    assert there["lut"] / here["lut"] == pytest.approx(345 / 333, rel=1e-3), "the smallest region"
    assert find("u55c").budget.lut < find("u250").budget.lut


def test_image_of_several_channels() -> None:
    coloured = replace(SMALL, input_shape=(3, *SMALL.input_shape[1:]))
    found = solve(coloured, 100, input_bytes=INPUT)
    assert found.input_cycles == 3 * solve(SMALL, 100, input_bytes=INPUT).input_cycles
    assert found.cycles <= 100


def test_refused_network() -> None:
    second = Conv2d(out_channels=4, kernel=(1, 1), sparsity=Taps((1,) * 4))
    network = replace(SMALL, layers=(SMALL.layers[0], second, *SMALL.layers[1:]))
    with pytest.raises((FoldingError, NetworkError), match="the scatter engine takes"):
        solve(network, 100, input_bytes=INPUT)


def test_candidates_are_valid() -> None:
    for stage in SMALL.stages[1:]:
        for layer in candidates(SMALL, stage, INPUT):
            assert isinstance(layer, ScatterFolding)
            assert stage.sets % layer.lanes == 0
            assert layer.lanes % layer.drain == 0


def test_divisors_and_shares() -> None:
    assert divisors(12) == [1, 2, 3, 4, 6, 12]
    assert fewest_for_each_share(25, 25) == [1, 2, 3, 4, 5, 7, 9, 13, 25]


def test_the_shipped_full_machines_are_inside_a_region() -> None:
    """By the area model, which is calibrated by synthesis."""
    for variant, cycles in (("fast", 100), ("accurate", 320)):
        shipped = Solution(network("gsc", variant), folding("gsc", variant, "full"))
        assert shipped.cycles == cycles
        assert fits(shipped.resources, default().budget)
        assert keeps_pace(shipped)


@pytest.mark.parametrize(("variant", "cycles"), [("dense", 3200), ("sparse-dense", 320)])
def test_full_machines_of_the_other_variants(variant: str, cycles: int) -> None:
    found = Solution(network("gsc", variant), folding("gsc", variant, "full"))
    assert found.cycles == cycles
    assert fits(found.resources, default().budget)
    assert sum(plan.products for plan in found.plans) == pytest.approx(
        of_roofline(found) * 2 * found.resources.dsp * cycles
    )
    assert of_roofline(found) > 0.9
