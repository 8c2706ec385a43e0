"""Dense engine against plain sums: runs without a gap, each drained while the next one goes on."""

import random

import pytest

from twofold.hw.engines.scatter.dense import DenseEngine
from twofold.sim.testbenches.simulation import simulate

SHAPES = [
    {"lanes": 1, "products": 2, "drain": 1},
    {"lanes": 2, "products": 8, "drain": 2},
    {"lanes": 5, "products": 21, "drain": 1},
    {"lanes": 9, "products": 40, "drain": 3},
    {"lanes": 20, "products": 47, "drain": 2},
    {"lanes": 6, "products": 300, "drain": 1},
]
RUNS = 5


def weights_and_values(rng: random.Random, shape: dict[str, int], run: int) -> list:
    """A row of weights and an activation for every product; extremes in the first runs."""
    few = [((-128,), (255,)), ((127,), (255,)), ((-128, 127), (0, 255))]
    weights, values = few[run] if run < len(few) else (range(-128, 128), range(256))
    return [
        ([rng.choice(weights) for _ in range(shape["lanes"])], rng.choice(values))
        for _ in range(shape["products"])
    ]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("rest", [0, 3])
def test_sums_of_runs_that_follow_each_other(shape: dict[str, int], rest: int) -> None:
    rng = random.Random(shape["lanes"])
    lanes, products, drain = shape["lanes"], shape["products"], shape["drain"]
    groups = lanes // drain
    acc_bits = (products * 255 * 128 - 1).bit_length() + 1
    dut = DenseEngine(**shape, acc_bits=acc_bits)
    runs = [weights_and_values(rng, shape, run) for run in range(RUNS)]
    sums = [[sum(row[lane] * value for row, value in run) for lane in range(lanes)] for run in runs]
    interval = max(products, groups + 1) + rest
    kept = products - 1 + dut.LATENCY

    async def bench(ctx) -> None:
        due: dict[int, list[int]] = {}
        for cycle in range((RUNS + 1) * interval + kept + dut.drain_latency):
            run, at = divmod(cycle, interval)
            row, value = ([rng.randrange(-128, 128) for _ in range(lanes)], rng.randrange(256))
            if run < RUNS and at < products:
                row, value = runs[run][at]
            for lane, weight in enumerate(row):
                ctx.set(dut.row[lane], weight)
            ctx.set(dut.value, value)
            ctx.set(dut.first, run < RUNS and at == 0)
            done, since = divmod(cycle - kept, interval)
            ctx.set(dut.keep, done in range(RUNS) and since == 0)
            ready, group = divmod(cycle - kept - 1, interval)
            ctx.set(dut.group, min(group, groups - 1))
            if ready in range(RUNS) and group < groups:
                found = sums[ready][group * drain : (group + 1) * drain]
                due[cycle + dut.drain_latency] = found
            if cycle in due:
                assert [ctx.get(value) for value in dut.sums] == due.pop(cycle), cycle
            await ctx.tick()
        assert not due

    simulate(dut, bench)
