"""Runs of stored samples through a core, again and again, and their results."""

from math import gcd
from typing import Any

from amaranth.hdl import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from twofold.hw.contract.link import WORD_BYTES, result_words, sample_words
from twofold.hw.contract.regs import sample_bytes
from twofold.hw.contract.results import result_row
from twofold.hw.engines.links import last_beat, result_stream
from twofold.hw.link.frames import WORD_BITS
from twofold.hw.link.gearbox import Cut, Join
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.memory import TableRam
from twofold.hw.primitives.queue import Queue

ROUND_BITS, CYCLE_BITS = 32, 64
STORE_BYTES, STORED_MAX = 8192, 64
"""Samples are kept up to this size, and number; at least one."""
AHEAD = 8
"""Words read ahead of the core."""


def capacity(core: Any) -> int:
    """Samples that the machine keeps."""
    return capacity_of(sample_words(core.network, core.folding.input_bytes))


def capacity_of(words: int) -> int:
    """Samples of so many words that a machine keeps."""
    return min(max(STORE_BYTES // (WORD_BYTES * words), 1), STORED_MAX)


class Runner(wiring.Component):
    """Keeps samples, sends them to a core in rounds, and keeps the results of the last round.

    Parameters
    ----------
    core: a `twofold.hw.machine.core.Core`; gives network and folding, and is not built here.

    Members
    -------
    write, write_word, write_data: a word of a sample is stored.
    read_word, read_data: a word of a result, `TableRam.LATENCY` cycles later.
    start: a run of ``samples`` stored samples in ``rounds`` rounds begins; only while not
        ``running``.
    done: results of the run so far.
    cycles, latency: of the run: cycles from its first input to its last result, and to its first.
    i, o: streams to the core and from it.
    """

    write: Signal
    write_word: Signal
    write_data: Signal
    read_word: Signal
    read_data: Signal
    start: Signal
    samples: Signal
    rounds: Signal
    running: Signal
    done: Signal
    cycles: Signal
    latency: Signal
    i: Any
    o: Any

    def __init__(self, core: Any) -> None:
        self.core, self.capacity = core, capacity(core)
        self.row = result_row(core.network)
        self.sample_words = sample_words(core.network, core.folding.input_bytes)
        self.result_words = result_words(self.row)
        self.stored = self.capacity * self.sample_words
        self.kept = self.capacity * self.result_words
        super().__init__(
            {
                "write": In(1),
                "write_word": In(range(max(self.stored, 2))),
                "write_data": In(WORD_BITS),
                "read_word": In(range(max(self.kept, 2))),
                "read_data": Out(WORD_BITS),
                "start": In(1),
                "samples": In(range(self.capacity + 1)),
                "rounds": In(ROUND_BITS),
                "running": Out(1),
                "done": Out(ROUND_BITS),
                "cycles": Out(CYCLE_BITS),
                "latency": Out(CYCLE_BITS),
                "i": Out(stream.Signature(8 * core.folding.input_bytes)),
                "o": In(result_stream(self.row)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        final_sample = Signal(range(self.capacity + 1))
        with m.If(self.start):
            m.d.sync += final_sample.eq(self.samples - 1)
        self._send(m, final_sample)
        wraps = self._receive(m, final_sample)
        left, final = Signal(ROUND_BITS), Signal()
        with m.If(self.start):
            m.d.sync += [
                self.running.eq(1),
                self.done.eq(0),
                left.eq(self.rounds),
                final.eq(self.rounds == 1),
            ]
        with m.Elif(last_beat(self.o)):
            m.d.sync += self.done.eq(self.done + 1)
            with m.If(wraps):
                m.d.sync += [left.eq(left - 1), final.eq(left == 2)]
                with m.If(final):
                    m.d.sync += self.running.eq(0)
        self._measure(m)
        return m

    def _measure(self, m: Module) -> None:
        begun, answered = Signal(), Signal()
        with m.If(self.start):
            m.d.sync += [begun.eq(0), answered.eq(0), self.cycles.eq(0), self.latency.eq(0)]
        with m.Else():
            m.d.sync += [
                begun.eq(begun | (self.i.valid & self.i.ready)),
                answered.eq(answered | last_beat(self.o)),
            ]
            with m.If(begun & self.running):
                m.d.sync += self.cycles.eq(self.cycles + 1)
                with m.If(~answered):
                    m.d.sync += self.latency.eq(self.latency + 1)

    def _send(self, m: Module, final_sample: Signal) -> None:
        """Read the store, round after round, as fast as the core takes its words."""
        piece = gcd(WORD_BYTES, self.core.folding.input_bytes)
        beat = self.core.folding.input_bytes
        beats = -(-sample_bytes(self.core.network) // beat)
        m.submodules.store = store = TableRam(WORD_BITS, self.stored)
        m.submodules.ahead = ahead = Queue(WORD_BITS, AHEAD)
        m.submodules.cut = cut = Cut(8 * piece, WORD_BYTES // piece, beats * beat // piece)
        m.submodules.join = join = Join(8 * piece, beat // piece)
        sends, left, final = Signal(), Signal(ROUND_BITS), Signal()
        word, sample = Signal(range(max(self.stored, 2))), Signal(range(self.capacity + 1))
        place = Signal(range(max(self.sample_words, 2)))
        room = Signal(AHEAD, init=(1 << AHEAD) - 1)
        take, leaves = Signal(), Signal()
        m.d.comb += [
            store.write_en.eq(self.write),
            store.write_address.eq(self.write_word),
            store.write_data.eq(self.write_data),
            store.address[0].eq(word),
            take.eq(sends & room[0]),
            leaves.eq(ahead.o.valid & ahead.o.ready),
            ahead.valid.eq(delayed(m, take, TableRam.LATENCY, name="arrives", reset=True)),
            ahead.payload.eq(store.data[0]),
        ]
        with m.If(take & ~leaves):
            m.d.sync += room.eq(room >> 1)
        with m.Elif(leaves & ~take):
            m.d.sync += room.eq(Cat(1, room))
        whole = place == self.sample_words - 1
        wraps = whole & (sample == final_sample)
        with m.If(self.start):
            m.d.sync += [sends.eq(1), left.eq(self.rounds), final.eq(self.rounds == 1)]
            m.d.sync += [word.eq(0), sample.eq(0), place.eq(0)]
        with m.Elif(take):
            m.d.sync += [
                word.eq(Mux(wraps, 0, word + 1)),
                place.eq(Mux(whole, 0, place + 1)),
            ]
            with m.If(whole):
                m.d.sync += sample.eq(Mux(wraps, 0, sample + 1))
            with m.If(wraps):
                m.d.sync += [left.eq(left - 1), final.eq(left == 2), sends.eq(~final)]
        connect(m, ahead.o, cut.i)
        connect(m, cut.o, join.i)
        connect(m, join.o, flipped(self.i))

    def _receive(self, m: Module, final_sample: Signal) -> Signal:
        """Keep results as words; returns whether one that is complete is the last of a round."""
        m.submodules.results = results = TableRam(WORD_BITS, self.kept)
        beat = self._beat()
        count = len(beat) // WORD_BITS
        shift, left = Signal(len(beat), reset_less=True), Signal(range(count + 1))
        word, sample = Signal(range(max(self.kept, 2))), Signal(range(self.capacity + 1))
        # Registered: results are two cycles apart, since one is at least one word.
        wraps = Signal()
        m.d.sync += wraps.eq(sample == final_sample)
        m.d.comb += [
            self.o.ready.eq(left == 0),
            results.write_en.eq(left != 0),
            results.write_address.eq(word),
            results.write_data.eq(shift[:WORD_BITS]),
            results.address[0].eq(self.read_word),
            self.read_data.eq(results.data[0]),
        ]
        begins = Signal()  # the next word is the first of a round
        with m.If(left != 0):
            m.d.sync += [shift.eq(shift >> WORD_BITS), left.eq(left - 1), word.eq(word + 1)]
        with m.Elif(self.o.valid):
            m.d.sync += [shift.eq(beat), left.eq(count)]
            with m.If(begins):
                m.d.sync += [word.eq(0), begins.eq(0)]
        with m.If(self.start):
            m.d.sync += [begins.eq(1), sample.eq(0)]
        with m.Elif(last_beat(self.o)):
            m.d.sync += sample.eq(Mux(wraps, 0, sample + 1))
            with m.If(wraps):
                m.d.sync += begins.eq(1)
        return wraps

    def _beat(self) -> Value:
        """The words of a beat of results."""
        beat = self.o.payload
        if self.row.beats > 1:
            return beat.data
        logits = Value.cast(beat.logits)
        if not self.row.labelled:
            return logits
        label = Value.cast(beat.label)
        return Cat(logits, label, C(0, WORD_BITS - len(label)))
