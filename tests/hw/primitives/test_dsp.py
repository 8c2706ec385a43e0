"""Packed multipliers against plain integers, in Amaranth's simulator and as cells for Yosys."""

import random

import pytest
from amaranth.sim import Simulator

from twofold.hw.contract.target import Target
from twofold.hw.primitives.dsp import P_BITS, PackedMac, PackedMultiply, PackedSum
from twofold.hw.primitives.tile import emit

EXTREME_ACTS = (0, 1, 254, 255)
EXTREME_WEIGHTS = (-128, -127, -1, 0, 1, 127)


def _act(rng: random.Random) -> int:
    return rng.choice((rng.randrange(256), rng.choice(EXTREME_ACTS)))


def _weight(rng: random.Random) -> int:
    return rng.choice((rng.randrange(-128, 128), rng.choice(EXTREME_WEIGHTS)))


def test_mac_sums_up_to_four_products() -> None:
    dut, rng = PackedMac(), random.Random(1)
    expected: list[tuple[int, int]] = []
    seen: list[tuple[int, int]] = []

    async def bench(ctx) -> None:
        high = low = 0
        left = 0
        for _ in range(3000):
            valid = rng.random() < 0.8
            first = left == 0
            a, b, w = _act(rng), _act(rng), _weight(rng)
            if rng.random() < 0.2:
                a, b, w = 255, 255, -128
            for port, value in zip(
                (dut.high_i, dut.low_i, dut.weight, dut.first, dut.valid),
                (a, b, w, first, valid),
                strict=True,
            ):
                ctx.set(port, value)
            if valid:
                left = rng.randrange(4) if first else left - 1
                high, low = (0, 0) if first else (high, low)
                high, low = high + a * w, low + b * w
            expected.append((high, low))
            await ctx.tick()
            seen.append((ctx.get(dut.high), ctx.get(dut.low)))

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()
    started = next(at for at, sums in enumerate(expected) if sums != (0, 0))
    lag = PackedMac.LATENCY - 1
    assert seen[started + lag :] == expected[started : len(expected) - lag]


def test_multiply_all_signs() -> None:
    dut, rng = PackedMultiply(), random.Random(2)
    expected: list[tuple[int, int]] = []
    seen: list[tuple[int, int]] = []

    async def bench(ctx) -> None:
        for _ in range(3000):
            w, v, a = _weight(rng), _weight(rng), _act(rng)
            ctx.set(dut.high_i, w)
            ctx.set(dut.low_i, v)
            ctx.set(dut.value, a)
            expected.append((w * a, v * a))
            await ctx.tick()
            seen.append((ctx.get(dut.high), ctx.get(dut.low)))

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()
    lag = PackedMultiply.LATENCY - 1
    assert seen[lag:] == expected[: len(expected) - lag]


@pytest.mark.parametrize("kind", [PackedMac, PackedMultiply])
def test_cells(kind: type[PackedMac] | type[PackedMultiply]) -> None:
    vendor = emit(kind(), "dut", target=Target.XCUP)
    assert vendor.count("DSP48E2 ") == 1
    assert "DSP48E2" not in emit(kind(), "dut")


def test_cell_of_sums_starts_from_the_missing_bias() -> None:
    dut = PackedSum(5)
    vendor = emit(dut, "dut", target=Target.XCUP)
    assert vendor.count("DSP48E2 ") == 1
    assert f"48'h{dut.initial & (1 << P_BITS) - 1:012x}" in vendor
    assert "DSP48E2" not in emit(dut, "dut")
