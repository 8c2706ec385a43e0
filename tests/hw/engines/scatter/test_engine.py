"""Scatter engine against a list of sums, accumulating and draining at the same time."""

import random

import pytest

from twofold.hw.engines.scatter.engine import ScatterEngine
from twofold.sim.testbenches.simulation import simulate

SHAPES = [
    {"lanes": 1, "slots": 1, "rounds": 1, "drain": 1},
    {"lanes": 4, "slots": 3, "rounds": 1, "drain": 1},
    {"lanes": 3, "slots": 2, "rounds": 3, "drain": 3},
    {"lanes": 10, "slots": 5, "rounds": 2, "drain": 2},
    {"lanes": 19, "slots": 1, "rounds": 1, "drain": 1},
]


def random_row(rng: random.Random, shape: dict[str, int]) -> list[tuple[int, int]]:
    """Weight and slot of every lane."""
    return [
        (rng.choice((-128, 127, rng.randint(-128, 127))), rng.randrange(shape["slots"]))
        for _ in range(shape["lanes"])
    ]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_accumulates_one_bank_and_drains_the_other(shape: dict[str, int]) -> None:
    """Passes without a gap, each drained somewhere within the next one."""
    lanes, drain, depth = shape["lanes"], shape["drain"], shape["slots"] * shape["rounds"]
    groups, passes, rng = lanes // drain, 4, random.Random(lanes)
    order = [(address, group) for address in range(depth) for group in range(groups)]
    length = len(order) + 20
    starts = [rng.randrange(20) for _ in range(passes + 2)]
    sums = [[[0] * depth for _ in range(lanes)] for _ in range(passes)]
    dut = ScatterEngine(**shape, acc_bits=24)
    due: dict[int, list[int]] = {}

    def accumulate(ctx, number: int) -> None:
        turn, value = rng.randrange(shape["rounds"]), rng.choice((0, 255, rng.randrange(256)))
        ctx.set(dut.value, value)
        ctx.set(dut.base, turn * shape["slots"])
        for lane, (weight, slot) in enumerate(random_row(rng, shape)):
            ctx.set(dut.row[lane].weight, weight)
            ctx.set(dut.row[lane].slot, slot)
            sums[number][lane][turn * shape["slots"] + slot] += weight * value

    def control(ctx, cycle: int) -> None:
        number, at = divmod(cycle - (ScatterEngine.LATENCY - 1), length)
        ctx.set(dut.bank, number % 2)
        step = at - starts[number]
        drains = 0 < number <= passes and 0 <= step < len(order)
        address, group = order[step] if drains else (0, 0)
        ctx.set(dut.drain.address, address)
        ctx.set(dut.drain.group, group)
        ctx.set(dut.drain.clear, drains and group == groups - 1)
        if drains:
            found = sums[number - 1][group * drain : (group + 1) * drain]
            due[cycle + dut.drain_latency] = [lane[address] for lane in found]

    async def bench(ctx) -> None:
        last = (passes + 1) * length + 10
        for cycle in range(last):
            if cycle < passes * length:
                accumulate(ctx, cycle // length)
            else:
                ctx.set(dut.value, 0)
            control(ctx, cycle)
            if cycle in due:
                assert [ctx.get(value) for value in dut.sums] == due.pop(cycle), cycle
            await ctx.tick()
        assert not due

    simulate(dut, bench)
