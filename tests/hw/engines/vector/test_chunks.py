# amaranth: UnusedElaboratable=no
"""Beats cut into chunks, in front of the vector engine."""

import random

import pytest
from amaranth.sim import Simulator

from twofold.hw.contract.engines import VectorFolding, VectorPlan
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.network import Linear, Network
from twofold.hw.engines.vector.stage import Chunks, VectorStage


def plan_of(inputs: int, engines: int) -> VectorPlan:
    network = Network("vector", (1, 1, inputs), (Linear(out_features=2),), ("a", "b"))
    return VectorFolding(engines=engines).plan(network.stages[0], None)


def transfer(inputs: int, engines: int, beat: int, *, stall: float, samples: int = 3):
    """Chunks of some random samples as (numbers, values, last), the samples, and the cycles."""
    rng, dut = random.Random(inputs), Chunks(plan_of(inputs, engines), beat)
    sent = [[rng.randrange(256) for _ in range(inputs)] for _ in range(samples)]
    beats = []
    for sample in sent:
        padded = sample + [0xEE] * (-inputs % beat)
        beats += [padded[at : at + beat] for at in range(0, len(padded), beat)]
    found, cycles, want = [], 0, samples * -(-inputs // engines)

    async def bench(ctx) -> None:
        nonlocal cycles
        waiting = list(beats)
        while len(found) < want:
            offered = bool(waiting) and rng.random() >= stall
            ctx.set(dut.i.valid, offered)
            if offered:
                ctx.set(dut.i.payload, int.from_bytes(bytes(waiting[0]), "little"))
            ctx.set(dut.o.ready, rng.random() >= stall)
            if offered and ctx.get(dut.i.ready):
                waiting.pop(0)
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                entries = dut.o.payload.winners
                found.append(
                    (
                        {ctx.get(entry.index) for entry in entries},
                        [ctx.get(entry.value) for entry in entries],
                        ctx.get(dut.o.payload.last),
                    )
                )
            cycles += 1
            assert cycles < 5000, "nothing arrives any more"
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found, sent, cycles


SHAPES = [(16, 4, 8), (10, 2, 4), (9, 4, 4), (5, 1, 8), (7, 8, 16), (64, 64, 64)]


@pytest.mark.parametrize(("inputs", "engines", "beat"), SHAPES)
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_every_input_arrives_once_and_in_order(inputs: int, engines: int, beat: int, stall: float):
    found, sent, cycles = transfer(inputs, engines, beat, stall=stall)
    chunks = -(-inputs // engines)
    for number, sample in enumerate(sent):
        own = found[number * chunks : (number + 1) * chunks]
        assert [value for _, values, _ in own for value in values][:inputs] == sample
        assert [indices for indices, _, _ in own] == [{at} for at in range(chunks)]
        assert [last for _, _, last in own] == [0] * (chunks - 1) + [1]
    if not stall:
        assert cycles == 3 * chunks + 1, "a chunk in every cycle, after the first beat"


def test_closed_takes_no_beat():
    dut = Chunks(plan_of(8, 2), 4)

    async def bench(ctx) -> None:
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.closed, 1)
        for _ in range(3):
            assert not ctx.get(dut.i.ready) and not ctx.get(dut.o.valid)
            await ctx.tick()
        ctx.set(dut.closed, 0)
        assert ctx.get(dut.i.ready)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_engines_divide_a_beat():
    with pytest.raises(FoldingError, match="linear1: 3 engines do not divide the 8 bytes"):
        VectorStage(plan_of(12, 3), input_bytes=8, credits=1)
