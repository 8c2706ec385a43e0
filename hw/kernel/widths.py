"""Width converters from 64-byte beats to the core's streams."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.regs import BEAT_BYTES

BEAT_BITS = 8 * BEAT_BYTES


def marked_stream(bits: int) -> stream.Signature:
    """Stream of ``data`` with ``last`` on the final beat of a packet."""
    return stream.Signature(data.StructLayout({"data": bits, "last": 1}))


class Narrow(wiring.Component):
    """Cuts beats into pieces, low bits first.

    Parameters
    ----------
    bits: width of a piece, a divisor of 512.
    final: pieces taken from the last beat of a packet; the rest of it is padding.

    Members
    -------
    i: beats of 512 bits, ``last`` with the last one of a packet.
    o: pieces, ``last`` with the last one of a packet.

    Latency: 1 cycle. Throughput: one piece per cycle, without a gap between beats.

    Raises
    ------
    ValueError: the parameters are not in these ranges.
    """

    i: Any
    o: Any

    def __init__(self, bits: int, *, final: int | None = None) -> None:
        self.pieces, rest = divmod(BEAT_BITS, bits)
        self.final = self.pieces if final is None else final
        if rest or not 1 <= self.final <= self.pieces:
            raise ValueError(f"a beat of {BEAT_BITS} bits has no {final} pieces of {bits}")
        self.bits = bits
        super().__init__({"i": In(marked_stream(BEAT_BITS)), "o": Out(marked_stream(bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rest = Signal(BEAT_BITS, reset_less=True)
        last = Signal(reset_less=True)
        left = Signal(range(self.pieces + 1))
        m.d.comb += [
            self.o.valid.eq(left != 0),
            self.o.payload.data.eq(rest[: self.bits]),
            self.o.payload.last.eq(last & (left == 1)),
            self.i.ready.eq((left == 0) | ((left == 1) & self.o.ready)),
        ]
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [
                rest.eq(self.i.payload.data),
                last.eq(self.i.payload.last),
                left.eq(Mux(self.i.payload.last, self.final, self.pieces)),
            ]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [rest.eq(rest >> self.bits), left.eq(left - 1)]
        return m


class Widen(wiring.Component):
    """Concatenates beats, the first in the low bits.

    Parameters
    ----------
    beats: beats per wide beat, at least 1.

    Members
    -------
    i: beats of 512 bits; ``last`` with the last one of a packet, which is a multiple of ``beats``.
    o: wide beats; ``last`` with the last one of a packet.

    Latency: 1 cycle from the last of the beats. Throughput: one beat of ``i`` per cycle.

    Raises
    ------
    ValueError: ``beats`` is below 1.
    """

    i: Any
    o: Any

    def __init__(self, beats: int) -> None:
        if beats < 1:
            raise ValueError(f"a wide beat has at least 1 beat, not {beats}")
        self.beats = beats
        super().__init__(
            {"i": In(marked_stream(BEAT_BITS)), "o": Out(marked_stream(BEAT_BITS * beats))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = Signal(BEAT_BITS * self.beats, reset_less=True)
        last = Signal(reset_less=True)
        count = Signal(range(self.beats + 1))
        full = Signal()
        m.d.comb += [
            full.eq(count == self.beats),
            self.o.valid.eq(full),
            self.o.payload.data.eq(held),
            self.o.payload.last.eq(last),
            self.i.ready.eq(~full | self.o.ready),
        ]
        taken = self.i.valid & self.i.ready
        kept = Mux(full & self.o.ready, 0, count)
        m.d.sync += count.eq(kept + taken)
        with m.If(taken):
            m.d.sync += [
                held.eq(Cat(held, self.i.payload.data)[BEAT_BITS:]),
                last.eq(self.i.payload.last),
            ]
        return m
