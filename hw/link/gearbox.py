"""Words of 32 bits to beats of any number of bytes, and results to words."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Cut(wiring.Component):
    """Cuts elements into pieces, low bits first.

    Parameters
    ----------
    bits: of a piece.
    pieces: in an element, >= 1.
    taken: pieces of a packet; what its last element has beyond them is left out.

    Members
    -------
    i: stream of elements. o: stream of pieces, one a cycle but for one cycle for each element.
    """

    i: Any
    o: Any

    def __init__(self, bits: int, pieces: int, taken: int) -> None:
        self.bits, self.pieces, self.taken = bits, pieces, taken
        super().__init__(
            {"i": In(stream.Signature(bits * pieces)), "o": Out(stream.Signature(bits))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rest = Signal(self.bits * self.pieces, reset_less=True)
        left, place = Signal(range(self.pieces + 1)), Signal(range(self.taken))
        final = place == self.taken - 1
        m.d.comb += [
            self.i.ready.eq(left == 0),
            self.o.valid.eq(left != 0),
            self.o.payload.eq(rest[: self.bits]),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [rest.eq(self.i.payload), left.eq(self.pieces)]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [
                rest.eq(rest >> self.bits),
                left.eq(Mux(final, 0, left - 1)),
                place.eq(Mux(final, 0, place + 1)),
            ]
        return m


class Join(wiring.Component):
    """Joins pieces to elements, the first in the low bits.

    Parameters
    ----------
    bits: of a piece.
    pieces: in an element, >= 1.

    Members
    -------
    i: stream of pieces. o: stream of elements, with a cycle between an element and the next piece.
    """

    i: Any
    o: Any

    def __init__(self, bits: int, pieces: int) -> None:
        self.bits, self.pieces = bits, pieces
        super().__init__(
            {"i": In(stream.Signature(bits)), "o": Out(stream.Signature(bits * pieces))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        whole, held = Signal(self.bits * self.pieces), Signal(range(self.pieces + 1))
        full = held == self.pieces
        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(full),
            self.o.payload.eq(whole),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                whole.eq(Cat(whole, self.i.payload)[self.bits :]),
                held.eq(held + 1),
            ]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += held.eq(0)
        return m
