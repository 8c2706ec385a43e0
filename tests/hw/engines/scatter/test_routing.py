"""Routing of a pixel feed, followed step by step and held against the geometry of the layer."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from twofold.hw.contract import presets
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding, ScatterPlan, plans
from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network
from twofold.hw.engines.scatter.routing import NOTHING, routing


def plan_of(
    *, size: tuple[int, int], conv: Conv2d, source: GatherFolding, folding: ScatterFolding
) -> ScatterPlan:
    network = Network(
        name="case",
        input_shape=(1, *size),
        layers=(Conv2d(out_channels=2, kernel=(1, 1)), conv, Linear(out_features=2)),
        labels=("a", "b"),
    )
    layers = (source, folding, ScatterFolding())
    plan = plans(network, Folding(layers, input_bytes=size[1]))[1]
    assert isinstance(plan, ScatterPlan)
    return plan


def divisor(draw: st.DrawFn, number: int) -> int:
    return draw(st.sampled_from([each for each in range(1, number + 1) if number % each == 0]))


@st.composite
def random_plans(draw: st.DrawFn) -> ScatterPlan:
    rows, cols = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    kernel = draw(st.integers(1, min(3, rows))), draw(st.integers(1, min(3, cols)))
    stride, pool = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    padding = draw(st.sampled_from((0, 0, 1, 2)))
    out_rows, out_cols = (
        ((size + 2 * padding - window) // stride + 1) // pool
        for size, window in zip((rows, cols), kernel, strict=True)
    )
    assume(out_rows and out_cols)
    return plan_of(
        size=(rows, cols),
        conv=Conv2d(
            out_channels=4,
            kernel=kernel,
            stride=stride,
            padding=padding,
            pool=pool,
            sparsity=Complementary(2),
        ),
        source=GatherFolding(rows=divisor(draw, rows), cols=divisor(draw, cols)),
        folding=ScatterFolding(
            rows=divisor(draw, out_rows),
            cols=divisor(draw, out_cols),
            engines=draw(st.integers(1, kernel[0] * kernel[1])),
        ),
    )


def pixel_at(plan: ScatterPlan, bank: int, number: int) -> tuple[int, int]:
    """Pixel whose list a producer tile writes in a pass."""
    folding = plan.source.folding
    blocks = plan.source.stage.out_shape[2] // folding.cols
    top, left = number // blocks * folding.rows, number % blocks * folding.cols
    return top + bank // folding.cols, left + bank % folding.cols


@settings(max_examples=150, deadline=None)
@given(random_plans())
def test_every_reader_sees_its_pixel_at_every_step(plan: ScatterPlan) -> None:
    found, stage, folding = routing(plan), plan.stage, plan.folding
    readers = iter(found.readers)
    blocks = stage.out_shape[2] // folding.cols
    for tile in range(folding.rows * folding.cols):
        for position in range(stage.positions):
            for span in plan.spans:
                reader = next(readers)
                for number in range(plan.passes):
                    row = number // blocks * folding.rows + tile // folding.cols
                    col = number % blocks * folding.cols + tile % folding.cols
                    down, across = stage.pool_window
                    top = (row * down + position // across) * stage.strides[0]
                    left = (col * across + position % across) * stage.strides[1]
                    for local, tap in enumerate(span):
                        step = number * plan.engine_taps + local
                        source = reader.sources[found.selects[reader.select][step]]
                        y = top + tap // stage.kernel[1] - stage.edges[0]
                        x = left + tap % stage.kernel[1] - stage.edges[1]
                        inside = y in range(stage.in_shape[1]) and x in range(stage.in_shape[2])
                        assert (source != NOTHING) == inside
                        if inside:
                            port = found.ports[source]
                            at = found.generators[port.generator][step]
                            assert pixel_at(plan, port.bank, at) == (y, x)
    assert next(readers, None) is None


@given(random_plans())
@settings(max_examples=50, deadline=None)
def test_engines_share_out_the_taps(plan: ScatterPlan) -> None:
    spans = plan.spans
    assert [tap for span in spans for tap in span] == list(range(plan.stage.taps))
    assert all(1 <= len(span) <= plan.engine_taps for span in spans)


def test_a_bank_a_pixel_needs_one_address_and_one_select() -> None:
    """At full folding every reader walks in lock-step over single-pixel banks."""
    full = plans(presets.network("gsc"), presets.folding("gsc", "fast", "full"))[1]
    assert isinstance(full, ScatterPlan)
    found = routing(full)
    assert len(found.ports) == 196
    assert (len(found.generators), len(found.selects)) == (1, 1)
    assert {len(reader.sources) for reader in found.readers} == {25}


def test_too_many_ports_are_refused() -> None:
    with pytest.raises(FoldingError, match=r"conv2: bank 0 .* 81 read ports, at most 64"):
        routing(
            plan_of(
                size=(9, 9),
                conv=Conv2d(out_channels=4, kernel=(1, 1), sparsity=Complementary(2)),
                source=GatherFolding(),
                folding=ScatterFolding(rows=9, cols=9),
            )
        )
