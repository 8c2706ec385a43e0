"""Carries out requests: reads and writes words, and answers."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.link import ANSWER, HEADER_BYTES, REFUSED, WORD_BYTES, WORDS_MAX, Op
from twofold.hw.link.frames import WORD_BITS, FrameLink, FrameReader, marked_bytes

READ_CYCLES = 6
"""Cycles from an address on a `WordBus` to its word."""


SETTLING = 1
"""Cycles that a word to be written waits on a `WordBus`."""


class WordBus(wiring.Signature):
    """Access to words, seen from who asks.

    Members
    -------
    space, word: address; stable throughout an access.
    write, data: a word is to be written, until it is ``taken`` or ``refused``; ``data`` is there
        `SETTLING` cycles earlier, so that what depends on it may be registered.
    found: the word at the address, `READ_CYCLES` cycles after it; of any address, if need be 0.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "space": Out(8),
                "word": Out(24),
                "write": Out(1),
                "data": Out(WORD_BITS),
                "taken": In(1),
                "refused": In(1),
                "found": In(WORD_BITS),
            }
        )


class Responder(wiring.Component):
    """Answers one frame after the other.

    Members
    -------
    frame: that of a `FrameReader`.
    bus: see `WordBus`.
    o: the bytes of the answer (see `marked_bytes`).
    """

    frame: Any
    bus: Any
    o: Any

    def __init__(self) -> None:
        super().__init__(
            {
                "frame": In(FrameLink()),
                "bus": Out(WordBus()),
                "o": Out(marked_bytes()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        at, total = Signal(range(WORDS_MAX + 1)), Signal(range(WORDS_MAX + 1))
        fetching = FrameReader.LATENCY + 2 + SETTLING
        wait = Signal(range(max(READ_CYCLES + 1, fetching) + 1))
        place, shift = Signal(range(HEADER_BYTES)), Signal(8 * HEADER_BYTES)
        refused, reads, last = Signal(), Signal(), Signal()
        # In states WRITE and SEND, and at the end of LOOK, without decoding them.
        writes, sends, arrives = Signal(), Signal(), Signal()
        m.d.comb += [
            self.o.valid.eq(sends),
            self.o.payload.last.eq(last & (place == 0)),
            self.frame.index.eq(at),
            self.bus.write.eq(writes),
            reads.eq(self.frame.header.op == Op.READ),
            self.bus.space.eq(self.frame.header.space),
            self.o.payload.data.eq(shift[:8]),
        ]
        m.d.sync += [
            self.bus.word.eq(self.frame.header.word + at),
            self.bus.data.eq(self.frame.word),
        ]
        sent = self.o.valid & self.o.ready
        m.d.comb += last.eq(refused | ~reads | (at == total))
        with m.If(sent):
            m.d.sync += [shift.eq(shift >> 8), place.eq(place - 1)]
        with m.If(arrives):
            m.d.sync += [shift.eq(self.bus.found), place.eq(WORD_BYTES - 1), at.eq(at + 1)]
        with m.FSM() as fsm:
            m.d.sync += arrives.eq(fsm.ongoing("LOOK") & (wait == 1))
            with m.State("IDLE"):
                m.d.sync += [at.eq(0), refused.eq(0), wait.eq(FrameReader.LATENCY)]
                with m.If(self.frame.held):
                    m.next = "DECODE"
            with m.State("DECODE"):  # by now the first word is there
                with m.If(wait == 0):
                    asked = self.frame.word
                    known = Mux(
                        reads,
                        (self.frame.count == 1) & (asked != 0) & (asked <= WORDS_MAX),
                        (self.frame.header.op == Op.WRITE) & (self.frame.count != 0),
                    )
                    m.d.sync += [total.eq(Mux(reads, asked, self.frame.count)), refused.eq(~known)]
                    m.next = "FETCH"
                    with m.If(~known | reads):
                        m.next = "ANSWER"
                m.d.sync += wait.eq(Mux(wait == 0, fetching, wait - 1))
            with m.State("FETCH"):
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    m.d.sync += writes.eq(1)
                    m.next = "WRITE"
            with m.State("WRITE"):
                m.d.sync += wait.eq(fetching)
                with m.If(self.bus.refused):
                    m.d.sync += [refused.eq(1), writes.eq(0)]
                    m.next = "ANSWER"
                with m.Elif(self.bus.taken):
                    m.d.sync += [at.eq(at + 1), writes.eq(0)]
                    m.next = "FETCH"
                    with m.If(at == total - 1):
                        m.next = "ANSWER"
            with m.State("ANSWER"):
                op = self.frame.header.op | Mux(refused, REFUSED, ANSWER)
                m.d.sync += [
                    shift.eq(Cat(op[:8], Value.cast(self.frame.header)[8:])),
                    place.eq(HEADER_BYTES - 1),
                    at.eq(0),
                    sends.eq(1),
                ]
                m.next = "SEND"
            with m.State("SEND"):
                m.d.sync += wait.eq(READ_CYCLES + 1)
                with m.If(sent & (place == 0)):
                    m.d.sync += sends.eq(0)
                    m.next = "LOOK"
                    with m.If(last):
                        m.next = "RELEASE"
            with m.State("RELEASE"):  # a state of its own keeps reader and writer apart
                m.d.comb += self.frame.release.eq(1)
                m.next = "IDLE"
            with m.State("LOOK"):
                m.d.sync += wait.eq(wait - 1)
                with m.If(arrives):
                    m.d.sync += sends.eq(1)
                    m.next = "SEND"
        return m
