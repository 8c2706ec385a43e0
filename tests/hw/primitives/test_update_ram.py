# amaranth: UnusedElaboratable=no
"""Memories that are read where they are written: against a list, and cells against behaviour."""

import random

import pytest
from amaranth.hdl import signed
from amaranth.sim import Simulator

from twofold.hw.contract.target import Target
from twofold.hw.primitives.tile import emit
from twofold.hw.primitives.update_ram import UpdateRam


@pytest.mark.parametrize(("bits", "depth"), [(24, 16), (5, 1), (9, 33)])
def test_reads_and_writes_at_one_address(bits: int, depth: int) -> None:
    dut, rng = UpdateRam(signed(bits), depth), random.Random(depth)
    expected = [0] * depth

    async def bench(ctx) -> None:
        for _ in range(300):
            write, at = rng.random() < 0.5, rng.randrange(depth)
            value = rng.randrange(-(1 << bits - 1), 1 << bits - 1)
            ctx.set(dut.write_en, write)
            ctx.set(dut.address, at)
            ctx.set(dut.write_data, value)
            assert ctx.get(dut.data) == expected[at]
            await ctx.tick()
            if write:
                expected[at] = value

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()


def test_depth_is_checked() -> None:
    with pytest.raises(ValueError, match="depth is 0, needs >= 1"):
        UpdateRam(signed(4), 0)


@pytest.mark.parametrize(
    ("bits", "large", "small"), [(24, 1, 1), (15, 1, 0), (7, 0, 1), (27, 2, 0)]
)
def test_cells_are_the_memory(prove_equal, bits: int, large: int, small: int) -> None:
    """They say the same, and there are as many cells as the width needs."""
    done = prove_equal(
        emit(UpdateRam(bits, 4), "cells", target=Target.XCUP),
        emit(UpdateRam(bits, 4), "behaviour"),
        f"select -assert-count {large} cells/t:RAM32M16;"
        f" select -assert-count {small} cells/t:RAM32M;",
    )
    assert done.returncode == 0, done.stdout + done.stderr
