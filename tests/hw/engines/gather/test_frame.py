# amaranth: UnusedElaboratable=no
"""The image buffer for every relation of beat and row, under random waits."""

import random

import pytest

from twofold.hw.engines.gather.frame import InputFrame
from twofold.sim.testbenches.simulation import simulate


@pytest.mark.parametrize("steady", [False, True])
@pytest.mark.parametrize(
    ("height", "width", "beat", "images", "reads"),
    [
        (4, 6, 6, 2, 1),
        (4, 6, 2, 2, 2),
        (4, 6, 12, 2, 2),
        (5, 3, 6, 3, 3),
        (1, 1, 1, 2, 1),
        (7, 2, 6, 2, 2),
    ],
)
def test_rows_come_back(
    height: int, width: int, beat: int, images: int, reads: int, *, steady: bool
) -> None:
    rng = random.Random(height * width + beat)
    sent = [bytes(rng.randrange(256) for _ in range(height * width)) for _ in range(7)]
    dut = InputFrame(
        height=height, width=width, beat=beat, images=images, reads=reads, steady=steady
    )
    read: list[bytes] = []
    arrived = taken = 0

    async def source(ctx) -> None:
        nonlocal arrived, taken
        for image in sent:
            for at in range(0, len(image), beat):
                await ctx.tick().repeat(rng.randrange(1, 3))
                ctx.set(dut.i.payload, int.from_bytes(image[at : at + beat], "little"))
                ctx.set(dut.i.valid, 1)
                await ctx.tick().until(dut.i.ready)
                ctx.set(dut.i.valid, 0)
                taken += 1
            arrived += 1
            assert arrived - len(read) <= images

    async def settled(ctx) -> None:
        if steady:
            await ctx.tick()
        else:
            await ctx.delay(0)

    async def reader(ctx) -> None:
        beats = -(-height * width // beat)
        for _ in sent:
            await ctx.tick().repeat(rng.choice((1, 60)))
            rows: dict[int, bytes] = {}
            for first in range(0, height, reads):
                chosen = [min(first + at, height - 1) for at in range(reads)]
                ctx.set(dut.line, dut.geometry.line_of(first + reads - 1))
                await settled(ctx)
                while not ctx.get(dut.arrived):
                    await ctx.tick()
                needed = len(read) * beats + -(-(chosen[-1] + 1) * width // beat)
                assert taken >= needed, "a row before its beats"
                for at, row in enumerate(chosen):
                    ctx.set(dut.rows[at], row)
                await ctx.tick()
                for at, row in enumerate(chosen):
                    rows[row] = bytes(ctx.get(dut.o[at]))
            ctx.set(dut.line, dut.lines - 1)
            await settled(ctx)
            while not ctx.get(dut.arrived):
                await ctx.tick()
            ctx.set(dut.release, 1)
            await ctx.tick()
            ctx.set(dut.release, 0)
            read.append(b"".join(rows[row] for row in range(height)))

    simulate(dut, source, reader)
    assert read == sent


def test_arguments() -> None:
    with pytest.raises(ValueError, match="a beat of 4 pixels, needs a divisor or multiple of 6"):
        InputFrame(height=4, width=6, beat=4)
    with pytest.raises(ValueError, match="a beat of 0 and a row of 6 pixels, need >= 1"):
        InputFrame(height=4, width=6, beat=0)
    with pytest.raises(ValueError, match="0 images of 4 rows, need >= 1"):
        InputFrame(height=4, width=6, beat=6, images=0)
