"""Counters: tallies and totals against plain sums, and the lookups of a gather layer."""

import random
from collections import Counter

import pytest
from amaranth.hdl import Const

from twofold.hw.contract.folding import GatherPlan, plans
from twofold.hw.contract.presets import folding, network
from twofold.hw.contract.regs import COUNTERS, LAYERS_COUNTED, counter_number
from twofold.hw.engines.activity import TapLookups
from twofold.hw.machine.counters import NUMBERS, Counters, Tally, times
from twofold.sim.testbenches.simulation import simulate


@pytest.mark.parametrize("width, weight", [(1, 1), (7, 12), (40, 60)])
def test_tally_counts_every_one_in_exactly_one_take(width: int, weight: int):
    dice, period = random.Random(width), 9
    dut = Tally(width, period=period, weight=weight)

    async def testbench(ctx):
        sent = counted = 0
        for cycle in range(40 * period):
            ctx.set(dut.take, cycle % period == 0)
            flags = dice.getrandbits(width) if cycle < 38 * period else 0
            ctx.set(dut.flags, flags)
            sent += flags.bit_count()
            await ctx.tick()
            if cycle % period == 0:
                counted += ctx.get(dut.amount)
        assert sent > 0
        assert counted == weight * sent

    simulate(dut, testbench)


@pytest.mark.parametrize("factor", [1, 2, 3, 12, 60, 255, 784])
def test_times(factor: int):
    dut = Tally(1, period=1)

    async def testbench(ctx):
        for value in (0, 1, 5, 1023):
            assert ctx.get(times(Const(value, 10), factor)) == value * factor

    simulate(dut, testbench)


@pytest.mark.parametrize("variant", ["fast", "dense"])
def test_looks_of_a_pass_are_the_stored_weights(variant: str):
    plan = plans(network("tiny", variant), folding("tiny", variant, "full"))[0]
    assert isinstance(plan, GatherPlan)
    dut = TapLookups(plan)

    async def testbench(ctx):
        seen = 0
        for step in range(plan.steps):
            ctx.set(dut.active, 1)
            ctx.set(dut.step, step)
            await ctx.tick()
            seen += ctx.get(dut.lookups).bit_count()
        assert seen == plan.stage.weights
        ctx.set(dut.active, 0)
        await ctx.tick()
        assert ctx.get(dut.lookups) == 0

    simulate(dut, testbench)


def test_numbers_follow_the_registers():
    assert counter_number("busy") == 0
    assert counter_number("starved", 2) == LAYERS_COUNTED + 2
    assert counter_number("total_cycles") == NUMBERS - 1
    assert COUNTERS[0].split(7 | 9 << 64) == (7, 9, *[0] * (LAYERS_COUNTED - 2))


def test_totals_are_the_sums_of_the_events():
    """Random events on every input; nothing is counted for layers that do not exist."""
    found = plans(network("tiny"), folding("tiny"))
    dut, dice, cycles = Counters(found), random.Random(5), 300
    expected: Counter[int] = Counter()

    async def testbench(ctx):
        for _ in range(cycles):
            working = dice.random() < 0.5
            ctx.set(dut.working, working)
            for index, plan in enumerate(found):
                activity = {name: dice.randrange(2) for name in ("busy", "starved", "blocked")}
                ctx.set(getattr(dut, f"activity{index}"), activity)
                lookups = offer(ctx, getattr(dut, f"lookups{index}"))
                activity["starved"] &= working
                activity["multiplications"] = lookups * plan.products_of_lookup
                if not plan.stage.last:
                    activity["nonzero"] = offer(ctx, getattr(dut, f"entries{index}"))
                for name, count in activity.items():
                    expected[counter_number(name, index)] += count
            await ctx.tick()
        for index, plan in enumerate(found):
            ctx.set(getattr(dut, f"activity{index}"), {})
            ctx.set(getattr(dut, f"lookups{index}"), 0)
            if not plan.stage.last:
                ctx.set(getattr(dut, f"entries{index}"), 0)
        await ctx.tick().repeat(Counters.SETTLED)
        seen = [await total(ctx, number) for number in range(NUMBERS - 1)]
        assert seen == [expected[number] for number in range(NUMBERS - 1)]
        first = await total(ctx, NUMBERS - 1)
        await ctx.tick().repeat(1000)
        passed = await total(ctx, NUMBERS - 1) - first
        assert abs(passed - 1000) <= Counters.SETTLED

    async def total(ctx, number):
        ctx.set(dut.number, number)
        await ctx.tick().repeat(Counters.LATENCY)
        return ctx.get(dut.total)

    def offer(ctx, port):
        flags = dice.getrandbits(len(port))
        ctx.set(port, flags)
        return flags.bit_count()

    simulate(dut, testbench)
