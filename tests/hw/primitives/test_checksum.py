"""The checksum of words against zlib."""

import random
import zlib

import pytest
from amaranth.sim import Simulator

from twofold.hw.primitives.checksum import WordChecksum


@pytest.mark.parametrize("gaps", [0.0, 0.4])
def test_good_and_bad_messages(gaps: float) -> None:
    dut, rng = WordChecksum(), random.Random(1)
    messages = [rng.randbytes(4 * rng.randint(1, 9)) for _ in range(24)]

    async def bench(ctx) -> None:
        for number, message in enumerate(messages):
            sent = bytearray(message + zlib.crc32(message).to_bytes(4, "little"))
            if number % 3 == 1:
                sent[rng.randrange(len(sent))] ^= 1 << rng.randrange(8)
            for at in range(0, len(sent), 4):
                while rng.random() < gaps:
                    await ctx.tick()
                ctx.set(dut.data, int.from_bytes(sent[at : at + 4], "little"))
                ctx.set(dut.valid, 1)
                await ctx.tick()
                ctx.set(dut.valid, 0)
            await ctx.tick().repeat(WordChecksum.LATENCY - 1)
            assert ctx.get(dut.good) == (number % 3 != 1)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)

    simulator = Simulator(dut)
    simulator.add_clock(1e-9)
    simulator.add_testbench(bench)
    simulator.run()
