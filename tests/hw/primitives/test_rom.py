"""Constant tables against lists, in logic and in memories."""

import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.primitives.rom import LOGIC_DEPTH, in_memory, looked_up, memory_bits
from twofold.hw.primitives.tile import emit
from twofold.sim.testbenches.simulation import simulate


class Lookup(wiring.Component):
    """`looked_up` as a component; ``o`` is `WIDTH` bits wide."""

    WIDTH = 20

    number: Signal
    o: Signal

    def __init__(self, values: list[int]) -> None:
        self.values = values
        super().__init__({"number": In(range(len(values))), "o": Out(self.WIDTH)})

    def elaborate(self, _: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(looked_up(m, "found", self.values, self.number))
        return m


def values(count: int, factor: int) -> list[int]:
    generator = random.Random(count)
    return [factor * generator.randrange(200) for _ in range(count)]


@pytest.mark.parametrize("factor", [1, 24])
@pytest.mark.parametrize("count", [2, 100, LOGIC_DEPTH, LOGIC_DEPTH + 1, 3 * LOGIC_DEPTH])
def test_elements_come_a_cycle_later(count: int, factor: int) -> None:
    table = values(count, factor)
    dut = Lookup(table)

    async def bench(ctx) -> None:
        before = None
        for number in [*random.Random(1).choices(range(count), k=200), count - 1, 0]:
            ctx.set(dut.number, number)
            if before is not None:
                assert ctx.get(dut.o) == table[before]
            await ctx.tick()
            before = number

    simulate(dut, bench)


@pytest.mark.parametrize(("count", "memories"), [(LOGIC_DEPTH, 0), (LOGIC_DEPTH + 1, 1)])
def test_deep_tables_are_memories(count: int, memories: int) -> None:
    table = values(count, 8)
    assert in_memory(table) == bool(memories)
    text = emit(Lookup(table), "table")
    declared = f"reg [7:0] found [{count - 1}:0];"
    assert text.count(declared) == memories
    assert text.count("rom_style") == memories


def test_equal_elements_take_nothing() -> None:
    table = [3] * (2 * LOGIC_DEPTH)
    assert not in_memory(table)
    text = emit(Lookup(table), "table")
    assert "always" not in text
    assert "20'h00003" in text


def test_only_bits_that_vary_in_place_are_kept() -> None:
    assert memory_bits([0, 24, 48]) == 3
    assert memory_bits([0, 1]) == 1
