"""Frames on a line: checked and unpacked on their way in, packed on their way out.

`twofold.hw.contract.link` says what a frame looks like.
"""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.link import ESCAPE, FLAG, FLIP, HEADER_BYTES, WORD_BYTES, WORDS_MAX
from twofold.hw.primitives.checksum import ONES, RESIDUE, with_byte
from twofold.hw.primitives.memory import TableRam

WORD_BITS = 8 * WORD_BYTES
HEADER = data.StructLayout({"op": 8, "sequence": 8, "word": 24, "space": 8})
"""What a frame begins with; ``space`` and ``word`` are its address."""


def marked_bytes() -> stream.Signature:
    """Stream of the bytes of a frame, ``last`` with the last one."""
    return stream.Signature(data.StructLayout({"data": 8, "last": 1}))


class FrameLink(wiring.Signature):
    """A frame that has arrived, for whoever answers it.

    Members
    -------
    held: there is a frame: ``header``, and ``count`` words.
    release: it has been answered. Until then, frames that arrive are dropped.
    index, word: a word of the frame, `FrameReader.LATENCY` cycles later.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "held": Out(1),
                "header": Out(HEADER),
                "count": Out(range(WORDS_MAX + 1)),
                "release": In(1),
                "index": In(range(2 * WORDS_MAX)),
                "word": Out(WORD_BITS),
            }
        )


class FrameReader(wiring.Component):
    """Keeps a frame that arrived undamaged until it has been answered.

    Members
    -------
    valid, payload: a byte from the line.
    frame: see `FrameLink`; words take `LATENCY` cycles.
    dropped: a frame, or what looked like one, was dropped.
    """

    LATENCY = TableRam.LATENCY

    valid: Signal
    payload: Signal
    frame: Any
    dropped: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": In(1),
                "payload": In(8),
                "frame": Out(FrameLink()),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        escaped, late = Signal(), Signal()
        flag, escape = self.payload == FLAG, self.payload == ESCAPE
        # A byte, told apart; ``broken``: it came behind ESCAPE.
        comes, plain, ends, broken, byte = Signal(), Signal(), Signal(), Signal(), Signal(8)
        m.d.sync += [
            comes.eq(self.valid),
            ends.eq(self.valid & flag),
            plain.eq(self.valid & ~flag & ~escape),
            broken.eq(escaped),
            byte.eq(self.payload ^ Mux(escaped, FLIP, 0)),
        ]
        with m.If(self.valid):
            m.d.sync += escaped.eq(escape)
        check, sound = Signal(WORD_BITS, init=ONES), Signal()
        m.d.sync += sound.eq(check == RESIDUE)  # long before the next byte
        with m.If(ends):
            m.d.sync += check.eq(ONES)
        with m.Elif(plain):
            m.d.sync += check.eq(with_byte(check, byte))
        words, whole, some = self._unpack(m, plain, ends, byte)
        with m.If(self.frame.release):
            m.d.sync += self.frame.held.eq(0)
        with m.If(comes & self.frame.held):
            m.d.sync += late.eq(1)
        m.d.sync += self.dropped.eq(0)
        with m.If(ends):
            m.d.sync += late.eq(self.frame.held)
            good = sound & whole & ~broken & ~late & ~self.frame.held
            m.d.sync += [self.frame.held.eq(self.frame.held | good), self.dropped.eq(some & ~good)]
            with m.If(good):
                m.d.sync += self.frame.count.eq(words - 1)
        return m

    def _unpack(
        self, m: Module, plain: Value, ends: Value, byte: Value
    ) -> tuple[Value, Value, Value]:
        """Fill header and memory; returns the words so far, the checksum among them; whether they
        are whole; and whether there is anything at all.
        """
        m.submodules.buffer = buffer = TableRam(WORD_BITS, 2 * WORDS_MAX)
        header = Signal(range(HEADER_BYTES + 1))
        place = Signal(range(WORD_BYTES))
        words = Signal(range(WORDS_MAX + 3))
        shift = Signal(WORD_BITS)
        with_next = Cat(shift[8:], byte)
        open_header, fills = header != HEADER_BYTES, Signal()
        m.d.comb += [
            fills.eq(plain & ~open_header & (words != WORDS_MAX + 2) & ~self.frame.held),
            buffer.write_en.eq(fills & (place == WORD_BYTES - 1)),
            buffer.write_address.eq(words),
            buffer.write_data.eq(with_next),
            buffer.address[0].eq(self.frame.index),
            self.frame.word.eq(buffer.data[0]),
        ]
        with m.If(ends):
            m.d.sync += [header.eq(0), place.eq(0), words.eq(0)]
        with m.Elif(plain & open_header):
            m.d.sync += header.eq(header + 1)
            with m.If(~self.frame.held):
                m.d.sync += Value.cast(self.frame.header).eq(
                    Cat(Value.cast(self.frame.header)[8:], byte)
                )
        with m.Elif(fills):
            m.d.sync += [shift.eq(with_next), place.eq(place + 1)]
            with m.If(place == WORD_BYTES - 1):
                m.d.sync += words.eq(words + 1)
        whole = ~open_header & (place == 0) & (words != 0) & (words <= WORDS_MAX + 1)
        return words, whole, header != 0


class FrameWriter(wiring.Component):
    """Adds flags, escapes and the checksum to the bytes of a frame.

    Members
    -------
    i: see `marked_bytes`.
    o: bytes for the line.
    """

    i: Any
    o: Any

    def __init__(self) -> None:
        super().__init__({"i": In(marked_bytes()), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        check = Signal(WORD_BITS, init=ONES)
        left = Signal(range(WORD_BYTES))
        flipped, special, plain = Signal(), Signal(), Signal(8)
        m.d.comb += special.eq((plain == FLAG) | (plain == ESCAPE))
        sent = self.o.valid & self.o.ready
        done = sent & (flipped | ~special)

        def show() -> None:
            m.d.comb += self.o.payload.eq(Mux(flipped, plain ^ FLIP, Mux(special, ESCAPE, plain)))
            with m.If(sent):
                m.d.sync += flipped.eq(special & ~flipped)

        with m.FSM():
            with m.State("BEGIN"):
                m.d.comb += [self.o.valid.eq(self.i.valid), self.o.payload.eq(FLAG)]
                m.d.sync += [check.eq(ONES), left.eq(WORD_BYTES - 1)]
                with m.If(sent):
                    m.next = "BODY"
            with m.State("BODY"):
                m.d.comb += [
                    self.o.valid.eq(self.i.valid),
                    plain.eq(self.i.payload.data),
                    self.i.ready.eq(done),
                ]
                show()
                with m.If(done):
                    m.d.sync += check.eq(with_byte(check, self.i.payload.data))
                    with m.If(self.i.payload.last):
                        m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += [self.o.valid.eq(1), plain.eq(~check[:8])]
                show()
                with m.If(done):
                    m.d.sync += [check.eq(check >> 8), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.next = "END"
            with m.State("END"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(FLAG)]
                with m.If(sent):
                    m.next = "BEGIN"
        return m
