# amaranth: UnusedElaboratable=no
"""Requantise equals the law for every width, shift and clamp."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.hw.contract.arith import MUL_BITS, SHIFT_MAX, requantise
from twofold.hw.engines.requantise import Requantise
from twofold.sim.testbenches.simulation import simulate

Operands = tuple[int, int, int, int]
"""acc, add, shift, mul."""


def _signed(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[int, int, bool, list[Operands]]:
    acc_bits, add_bits = draw(st.integers(2, 32)), draw(st.integers(1, 32))
    multiplier = draw(st.booleans())
    factor = st.integers(0, (1 << MUL_BITS) - 1) if multiplier else st.just(1)
    total_bits = max(acc_bits + (MUL_BITS if multiplier else 0), add_bits)
    shift = st.integers(0, SHIFT_MAX) | st.integers(0, min(total_bits, SHIFT_MAX))
    operands = st.tuples(_signed(acc_bits), _signed(add_bits), shift, factor)
    return acc_bits, add_bits, multiplier, draw(st.lists(operands, min_size=20, max_size=60))


def _run(dut: Requantise, operands: list[Operands]) -> list[int]:
    """Results of values sent without a gap, each read ``latency`` cycles after its operands."""
    found: list[int] = []

    async def testbench(ctx):
        for cycle in range(len(operands) + dut.latency):
            if cycle < len(operands):
                acc, add, shift, mul = operands[cycle]
                ctx.set(dut.acc, acc)
                ctx.set(dut.add, add)
                ctx.set(dut.shift, shift)
                if dut.multiplier:
                    ctx.set(dut.mul, mul)
            if cycle >= dut.latency:
                found.append(ctx.get(dut.o))
            await ctx.tick()

    simulate(dut, testbench)
    return found


@settings(max_examples=60, deadline=None)
@given(_cases())
def test_equals_the_law(case: tuple[int, int, bool, list[Operands]]) -> None:
    acc_bits, add_bits, multiplier, operands = case
    dut = Requantise(acc_bits, add_bits, multiplier=multiplier)
    assert _run(dut, operands) == [requantise(*operand) for operand in operands]


@pytest.mark.parametrize("acc_bits", [18, 24, 32])
def test_every_shift_around_both_clamps(acc_bits: int) -> None:
    low, high = -(1 << acc_bits - 1), (1 << acc_bits - 1) - 1
    operands = [
        (min(max((level << shift) + offset, low), high), 0, shift, 1)
        for shift in range(SHIFT_MAX + 1)
        for level in (0, 1, 255, 256)
        for offset in (-1, 0, 1)
    ]
    assert _run(Requantise(acc_bits, 32), operands) == [requantise(*each) for each in operands]


def test_latency_counts_the_multiplier() -> None:
    assert Requantise(20, 21).latency == Requantise.LATENCY
    assert Requantise(20, 21, multiplier=True).latency == Requantise.LATENCY + 1


def test_widths_are_checked() -> None:
    with pytest.raises(ValueError, match="widths are 0 and 8"):
        Requantise(0, 8)
