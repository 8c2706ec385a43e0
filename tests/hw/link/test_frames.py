"""Receiver, frames and transmitter of a link, bit by bit, against the contract."""

import random

import pytest
from amaranth.hdl import *
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator

from twofold.hw.contract.link import FLAG, Frame, Op, Space, address, decode
from twofold.hw.link.frames import FrameReader, FrameWriter
from twofold.hw.link.gearbox import Cut, Join
from twofold.hw.link.uart import Receiver, Transmitter, step_of


@pytest.mark.parametrize("clocks", [4.0, 5.4, 21.7])
def test_bytes_cross_a_line(clocks: float):
    """At any ratio of clock and rate, back to back, and with a clock that is off by 1 %."""
    step = step_of(round(clocks * 1e6), 1_000_000)
    m = Module()
    m.submodules.transmitter = transmitter = Transmitter(step)
    m.submodules.receiver = receiver = Receiver(round(step * 1.01))
    m.d.comb += receiver.rx.eq(transmitter.tx)
    sent = random.Random(1).randbytes(60) + bytes([0, 255, 0x55, 0xAA])
    seen: list[int] = []

    async def send(ctx):
        for byte in sent:
            ctx.set(transmitter.i.payload, byte)
            ctx.set(transmitter.i.valid, 1)
            await ctx.tick().until(transmitter.i.ready)
            ctx.set(transmitter.i.valid, 0)

    async def receive(ctx):
        while len(seen) < len(sent):
            await ctx.tick()
            if ctx.get(receiver.valid):
                seen.append(ctx.get(receiver.payload))

    run(m, send, receive)
    assert bytes(seen) == sent


def test_a_line_that_is_too_fast():
    with pytest.raises(ValueError, match="a bit has to last 4 cycles"):
        step_of(10_000_000, 3_000_000)
    assert step_of(12_000_000, 3_000_000) == 1 << 14


def run(m: Module, *benches) -> None:
    simulator = Simulator(m)
    simulator.add_clock(1e-8)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


def test_the_reader_keeps_whole_frames_only():
    rng = random.Random(2)
    reader = FrameReader()
    good = [
        Frame(Op.WRITE, n, address(Space.SAMPLES, n), tuple(rng.choices((0x7E7D7E7D, n, 5), k=n)))
        for n in (0, 1, 7)
    ]
    damaged = bytearray(good[2].encode())
    damaged[9] ^= 1
    lost = good[2].encode()[:-4] + bytes([FLAG])
    half = good[1].encode()[:-6]
    long = Frame(Op.WRITE, 1, 0, (1,) * 300).encode()
    # what is sent, and the frame that is then held
    steps = [
        (good[0].encode(), good[0]), (bytes(damaged), None), (lost, None),
        (good[2].encode(), good[2]), (half + good[1].encode(), good[1]),
        (long, None), (rng.randbytes(50), None),
        (bytes([FLAG]) + good[2].encode(), good[2]),
    ]  # fmt: skip
    dropped = 0

    async def bench(ctx):
        nonlocal dropped
        for content, expected in steps:
            for byte in content:
                ctx.set(reader.payload, byte)
                ctx.set(reader.valid, 1)
                for _ in range(4):
                    await ctx.tick()
                    ctx.set(reader.valid, 0)
                    dropped += ctx.get(reader.dropped)
            assert ctx.get(reader.frame.held) == (expected is not None)
            if expected is None:
                continue
            assert ctx.get(reader.frame.header.op) == expected.op
            assert ctx.get(reader.frame.header.sequence) == expected.sequence
            assert ctx.get(reader.frame.header.space) << 24 | ctx.get(reader.frame.header.word) == (
                expected.address
            )
            assert ctx.get(reader.frame.count) == len(expected.words)
            for at, word in enumerate(expected.words):
                ctx.set(reader.frame.index, at)
                await ctx.tick().repeat(FrameReader.LATENCY)
                assert ctx.get(reader.frame.word) == word
            ctx.set(reader.frame.release, 1)
            await ctx.tick()
            ctx.set(reader.frame.release, 0)

    run(module_of(reader), bench)
    assert dropped >= 4


def module_of(part) -> Module:
    m = Module()
    m.submodules.part = part
    return m


def test_the_writer_writes_frames():
    rng = random.Random(4)
    writer = FrameWriter()
    frames = [
        Frame(0x81, n, 0x7D7E7D7E, tuple(rng.choices((0x7E7E7D7D, 9), k=n))) for n in (0, 3, 9)
    ]
    seen = bytearray()

    async def send(ctx):
        for frame in frames:
            body = bytes([frame.op, frame.sequence]) + frame.address.to_bytes(4, "little")
            body += b"".join(word.to_bytes(4, "little") for word in frame.words)
            for at, byte in enumerate(body):
                ctx.set(writer.i.payload.data, byte)
                ctx.set(writer.i.payload.last, at == len(body) - 1)
                ctx.set(writer.i.valid, 1)
                await ctx.tick().until(writer.i.ready)
            ctx.set(writer.i.valid, 0)
            await ctx.tick().repeat(rng.randrange(1, 5))

    async def receive(ctx):
        ends = 0
        while ends < 2 * len(frames):
            ready = rng.random() < 0.4
            ctx.set(writer.o.ready, ready)
            if ready and ctx.get(writer.o.valid):
                seen.append(ctx.get(writer.o.payload))
                ends += seen[-1] == FLAG
            await ctx.tick()

    run(module_of(writer), send, receive)
    assert bytes(seen) == b"".join(frame.encode() for frame in frames)
    assert [decode(body) for body in bytes(seen).split(bytes([FLAG])) if body] == frames


@pytest.mark.parametrize("pieces, joined, taken", [(4, 7, 13), (1, 16, 16), (2, 1, 5), (4, 1, 4)])
def test_words_become_beats(pieces: int, joined: int, taken: int):
    """Packets of ``taken`` pieces, from words of ``pieces`` each to beats of ``joined``."""
    taken = -(-taken // joined) * joined
    m = Module()
    m.submodules.cut = cut = Cut(8, pieces, taken)
    m.submodules.join = join = Join(8, joined)
    connect(m, cut.o, join.i)
    rng = random.Random(5)
    packets = [rng.randbytes(taken) for _ in range(4)]
    seen = bytearray()

    async def send(ctx):
        for packet in packets:
            whole = packet + bytes(-len(packet) % pieces)
            for at in range(0, len(whole), pieces):
                ctx.set(cut.i.payload, int.from_bytes(whole[at : at + pieces], "little"))
                ctx.set(cut.i.valid, 1)
                await ctx.tick().until(cut.i.ready)
                ctx.set(cut.i.valid, 0)

    async def receive(ctx):
        while len(seen) < 4 * taken:
            ready = rng.random() < 0.5
            ctx.set(join.o.ready, ready)
            if ready and ctx.get(join.o.valid):
                seen.extend(ctx.get(join.o.payload).to_bytes(joined, "little"))
            await ctx.tick()

    run(m, send, receive)
    assert bytes(seen) == b"".join(packets)
