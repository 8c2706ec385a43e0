"""Pooling trees against the scalar rule, at the limits of their widths."""

import numpy as np
import pytest
from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from twofold.hw.contract.layers import POOLINGS, Conv2d, Linear
from twofold.hw.contract.network import Network, Stage
from twofold.hw.engines.pooling import COMBINERS, pool_bits, pooled
from twofold.hw.primitives.tree import tree_levels


def stage_of(pooling: str, positions: int) -> Stage:
    """A layer that pools windows of so many positions in a row."""
    layer = Conv2d(out_channels=1, kernel=(1, 3), pool=(1, positions), pooling=pooling)
    network = Network("one", (1, 1, positions + 2), (layer, Linear(out_features=1)), ("a",))
    return network.stages[0]


class Tree(wiring.Component):
    """Accumulators of all positions, side by side, and what they pool to."""

    i: Signal
    o: Signal

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        super().__init__(
            {"i": In(stage.acc_bits * stage.positions), "o": Out(signed(stage.pooled_bits))}
        )

    def elaborate(self, platform: object) -> Module:
        m, bits = Module(), self.stage.acc_bits
        values = [self.i.word_select(at, bits).as_signed() for at in range(self.stage.positions)]
        result = pooled(m, values, self.stage)
        assert len(result) == self.stage.pooled_bits
        m.d.comb += self.o.eq(result)
        m.domains.sync = ClockDomain()
        return m


@pytest.mark.parametrize("positions", range(1, 10))
@pytest.mark.parametrize("pooling", sorted(POOLINGS))
def test_trees_follow_the_rule(pooling: str, positions: int) -> None:
    stage = stage_of(pooling, positions)
    extreme = 1 << (stage.acc_bits - 1)
    generator = np.random.default_rng(positions)
    rows = generator.integers(-extreme, extreme, (30, positions)).tolist()
    # Products reach -255 * 128 each; a sample of the accumulator could hold a little more.
    least, most = -3 * 255 * 128, 3 * 255 * 127
    rows = [[min(max(value, least), most) for value in row] for row in rows]
    rows += [[least] * positions, [most] * positions, [0] * positions]
    tree, latency = Tree(stage), tree_levels(positions)
    found: list[int] = []

    async def testbench(ctx) -> None:
        for number in range(len(rows) + latency):
            row = rows[number] if number < len(rows) else [0] * positions
            mask = (1 << stage.acc_bits) - 1
            sample = sum((value & mask) << stage.acc_bits * at for at, value in enumerate(row))
            ctx.set(tree.i, sample)
            await ctx.delay(1e-9)
            if number >= latency:
                found.append(ctx.get(tree.o))
            await ctx.tick()

    simulator = Simulator(tree)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
    assert found == [stage.pooling.pooled(row) for row in rows]


def test_every_kind_is_built() -> None:
    assert set(COMBINERS) == set(POOLINGS)


def test_sums_grow_level_by_level() -> None:
    """Two and two of four make 19 and 20 bits of accumulators of 18."""
    most, total = stage_of("max", 4), stage_of("sum", 4)
    bits = most.acc_bits
    assert pool_bits(most) == 3 * bits
    assert bits < total.pooled_bits <= bits + 2
    assert pool_bits(total) > pool_bits(most)
