# amaranth: UnusedElaboratable=no
"""The image buffer for every relation of beat and row, under random waits."""

import random

import pytest
from amaranth.sim import Simulator

from hw.gather.frame import InputFrame


@pytest.mark.parametrize(
    ("height", "width", "beat", "images"),
    [(4, 6, 6, 2), (4, 6, 2, 2), (4, 6, 12, 2), (5, 3, 6, 3), (1, 1, 1, 2), (7, 2, 6, 2)],
)
def test_rows_come_back(height: int, width: int, beat: int, images: int) -> None:
    rng = random.Random(height * width + beat)
    sent = [bytes(rng.randrange(256) for _ in range(height * width)) for _ in range(7)]
    dut = InputFrame(height=height, width=width, beat=beat, images=images)
    read: list[bytes] = []
    arrived = 0

    async def source(ctx) -> None:
        nonlocal arrived
        for image in sent:
            for at in range(0, len(image), beat):
                await ctx.tick().repeat(rng.randrange(1, 3))
                ctx.set(dut.i.payload, int.from_bytes(image[at : at + beat], "little"))
                ctx.set(dut.i.valid, 1)
                await ctx.tick().until(dut.i.ready)
                ctx.set(dut.i.valid, 0)
            arrived += 1
            assert arrived - len(read) <= images

    async def reader(ctx) -> None:
        for _ in sent:
            await ctx.tick().repeat(rng.choice((1, 60)))
            while not ctx.get(dut.available):
                await ctx.tick()
            assert arrived > len(read)
            ctx.set(dut.take, 1)
            await ctx.tick()
            ctx.set(dut.take, 0)
            rows: dict[int, bytes] = {}
            for row in rng.sample(range(height), height):
                ctx.set(dut.row, row)
                await ctx.tick()
                rows[row] = bytes(ctx.get(dut.o))
            ctx.set(dut.release, 1)
            await ctx.tick()
            ctx.set(dut.release, 0)
            read.append(b"".join(rows[row] for row in range(height)))

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(source)
    sim.add_testbench(reader)
    sim.run()
    assert read == sent


def test_arguments() -> None:
    with pytest.raises(ValueError, match="a beat of 4 pixels, needs a divisor or multiple of 6"):
        InputFrame(height=4, width=6, beat=4)
    with pytest.raises(ValueError, match="a beat of 0 and a row of 6 pixels, need >= 1"):
        InputFrame(height=4, width=6, beat=0)
    with pytest.raises(ValueError, match="0 images of 4 rows, need >= 1"):
        InputFrame(height=4, width=6, beat=6, images=0)
