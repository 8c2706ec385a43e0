"""A machine behind a serial line: everything on a board but its clock and its pins."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.link import MAGIC, VERSION, WORDS, Command, Space, Word
from twofold.hw.contract.parameters import ParameterStatus
from twofold.hw.contract.regs import sample_bytes
from twofold.hw.contract.results import result_row
from twofold.hw.link.frames import WORD_BITS, FrameReader, FrameWriter
from twofold.hw.link.responder import Responder
from twofold.hw.link.runner import Runner
from twofold.hw.link.uart import Receiver, Transmitter, idle_high, step_of
from twofold.hw.machine.core import Core

RESET_CYCLES = 16
IMAGE_BITS = 25


class Station(wiring.Component):
    """A core that answers requests on a serial line (`twofold.hw.contract.link`).

    Parameters
    ----------
    core: the machine.
    clock_hz: its clock.
    baud: of the line; a bit lasts 4 cycles or more.

    Members
    -------
    rx, tx: the line.

    Raises ValueError for a rate that the clock is too slow for.
    """

    rx: Signal
    tx: Signal

    def __init__(self, core: Core, *, clock_hz: int, baud: int) -> None:
        self.core, self.clock_hz = core, clock_hz
        self.step = step_of(clock_hz, baud)
        super().__init__({"rx": idle_high(In), "tx": idle_high(Out)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver = receiver = Receiver(self.step)
        m.submodules.transmitter = transmitter = Transmitter(self.step)
        m.submodules.reader = reader = FrameReader()
        m.submodules.writer = writer = FrameWriter()
        m.submodules.responder = responder = Responder()
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            reader.valid.eq(receiver.valid),
            reader.payload.eq(receiver.payload),
        ]
        connect(m, reader.frame, responder.frame)
        connect(m, responder.o, writer.i)
        connect(m, writer.o, transmitter.i)
        dropped = Signal(WORD_BITS)
        m.d.sync += dropped.eq(dropped + reader.dropped)
        self._serve(m, responder.bus, dropped)
        return m

    def _serve(self, m: Module, bus: Any, dropped: Value) -> None:
        """Connect the words of the link to core and runner, which have a reset of their own."""
        core: Any = self.core
        runner = Runner(core)
        machine: Any = ClockDomain("machine", local=True)
        m.domains.machine = machine
        resetting = Signal(RESET_CYCLES, init=1)
        m.d.comb += [machine.clk.eq(ClockSignal()), machine.rst.eq(resetting[0])]
        m.d.sync += resetting.eq(resetting >> 1)
        m.submodules.core = DomainRenamer("machine")(core)
        m.submodules.runner = DomainRenamer("machine")(runner)
        connect(m, runner.i, core.i)
        connect(m, core.o, runner.o)
        total, position, number = Signal(IMAGE_BITS), Signal(IMAGE_BITS), Signal(WORD_BITS)
        written = {  # an access keeps its space, so by the time of the write it is decoded
            space: Signal(name=f"in_{space.name.lower()}")
            for space in (Space.CONTROL, Space.IMAGE, Space.SAMPLES)
        }
        m.d.sync += [inside.eq(bus.space == space) for space, inside in written.items()]
        image = self._load(
            m, bus, written[Space.IMAGE], total, position, runner.running, machine.rst
        )
        m.d.comb += runner.read_word.eq(bus.word)
        fits = Signal()  # settles with the word
        m.d.sync += fits.eq((bus.word < runner.stored) & ~runner.running)
        m.d.comb += [
            runner.write.eq(bus.write & written[Space.SAMPLES] & fits),
            runner.write_word.eq(bus.word),
            runner.write_data.eq(bus.data),
        ]
        at = self._place(m, bus)
        command = self._command(m, bus, at, runner, (total, position, number), resetting)
        answers = {Space.IMAGE: image, Space.SAMPLES: (fits, ~fits), Space.CONTROL: command}
        takes = [inside & answers[space][0] for space, inside in written.items()]
        refuses = [inside & answers[space][1] for space, inside in written.items()]
        m.d.comb += [
            bus.taken.eq(Cat(takes).any()),
            bus.refused.eq(Cat(refuses).any() | ~Cat(written.values()).any()),
        ]
        self._find(m, bus, at, runner, position, number, dropped)

    @staticmethod
    def _place(m: Module, bus: Any) -> Signal:
        """Number of the word of the space ``CONTROL`` one cycle earlier; `WORDS` for any other, so
        that nothing has to look at all bits of an address again.
        """
        at = Signal(range(WORDS + 1), init=WORDS)
        inside = (bus.space == Space.CONTROL) & (bus.word < WORDS)
        m.d.sync += at.eq(Mux(inside, bus.word[: len(at)], WORDS))
        return at

    def _load(
        self,
        m: Module,
        bus: Any,
        inside: Signal,
        total: Signal,
        position: Signal,
        running: Value,
        reset: Value,
    ) -> tuple[Value, Value]:
        """Words of an image, each once; returns whether one is taken, and refused.

        A word waits in a register for the core, so that the answer does not wait for the core.
        """
        core: Any = self.core
        known, following = Signal(), Signal()  # both settle with the word
        m.d.sync += [
            known.eq(bus.word < position),
            following.eq((bus.word == position) & (position < total) & ~running),
        ]
        waits = Signal()
        word, last = Signal(WORD_BITS, reset_less=True), Signal(reset_less=True)
        m.d.comb += [
            core.parameters.valid.eq(waits),
            core.parameters.payload.data.eq(word),
            core.parameters.payload.last.eq(last),
        ]
        takes = following & ~waits
        with m.If(bus.write & inside & takes):
            m.d.sync += [
                waits.eq(1),
                word.eq(bus.data),
                last.eq(position == total - 1),
                position.eq(position + 1),
            ]
        with m.Elif(core.parameters.ready | reset):
            m.d.sync += waits.eq(0)
        return known | takes, ~known & ~following

    def _command(
        self,
        m: Module,
        bus: Any,
        at: Signal,
        runner: Runner,
        state: tuple[Signal, Signal, Signal],
        resetting: Signal,
    ) -> tuple[Value, Value]:
        """Carry out commands; returns whether one is taken, and refused."""
        core: Any = self.core
        total, position, number = state
        samples, rounds = Signal(WORD_BITS), Signal(WORD_BITS)
        m.d.comb += [runner.samples.eq(samples), runner.rounds.eq(rounds)]
        starts, again, may, other, partial = (Signal() for _ in range(5))
        loaded = ~core.busy & (position == total) & (core.status == ParameterStatus.OK)
        fits = (samples != 0) & (samples <= runner.capacity) & (rounds != 0)
        m.d.sync += [  # they settle with the word
            again.eq((bus.data == number) & (number != 0)),
            may.eq(loaded & fits & ~runner.running & (bus.data != 0)),
            other.eq(bus.data != samples),
            partial.eq((position != 0) & (position != total)),
            runner.start.eq(starts & may & ~again),
        ]
        refused = Signal()
        with m.If(bus.write), m.Switch(at):
            with m.Case(Command.RESET):
                m.d.sync += [
                    resetting.eq((1 << RESET_CYCLES) - 1),
                    total.eq(0),
                    position.eq(0),
                    number.eq(0),
                ]
            with m.Case(Command.IMAGE):
                m.d.comb += refused.eq(runner.running | partial)
                with m.If(~refused):
                    m.d.sync += [total.eq(bus.data), position.eq(0)]
            with m.Case(Command.SAMPLES):
                m.d.comb += refused.eq(runner.running & other)
                with m.If(~runner.running):
                    m.d.sync += samples.eq(bus.data)
            with m.Case(Command.ROUNDS):
                m.d.sync += rounds.eq(bus.data)
            with m.Case(Command.START):
                m.d.comb += [starts.eq(1), refused.eq(~again & ~may)]
                with m.If(may & ~again):
                    m.d.sync += number.eq(bus.data)
            with m.Default():
                m.d.comb += refused.eq(1)
        return ~refused, refused

    def _find(
        self,
        m: Module,
        bus: Any,
        at: Signal,
        runner: Runner,
        position: Value,
        number: Value,
        dropped: Value,
    ) -> None:
        """The word that is asked for."""
        core: Any = self.core
        total = Signal(2 * WORD_BITS)
        if core.counters:
            m.d.comb += core.counter_number.eq(bus.word >> 1)
            m.d.sync += total.eq(core.counter_total)
        control = self._words(runner, position, number, dropped)
        found = Signal(WORD_BITS)
        with m.Switch(at):
            for word, value in control.items():
                with m.Case(word):
                    m.d.sync += found.eq(value)
            with m.Default():
                m.d.sync += found.eq(0)
        with m.Switch(bus.space):
            with m.Case(Space.CONTROL):
                m.d.sync += bus.found.eq(found)
            with m.Case(Space.RESULTS):
                m.d.sync += bus.found.eq(runner.read_data)
            with m.Case(Space.COUNTERS):
                m.d.sync += bus.found.eq(total.word_select(bus.word[0], WORD_BITS))
            with m.Default():
                m.d.sync += bus.found.eq(0)

    def _words(
        self, runner: Runner, position: Value, number: Value, dropped: Value
    ) -> dict[int, Value | int]:
        """The words of the space ``CONTROL``."""
        core: Any = self.core
        machine = fingerprint(core.network, core.folding)
        words: dict[int, Value | int] = {
            Word.MAGIC: MAGIC,
            Word.VERSION: VERSION,
            Word.SAMPLE_BYTES: sample_bytes(core.network),
            Word.OUTPUTS: result_row(core.network).register,
            Word.CAPACITY: runner.capacity,
            Word.CLOCK_HZ: self.clock_hz,
            Word.STATE: Cat(runner.running, core.busy),
            Word.PARAMETER_STATUS: core.status,
            Word.IMAGE_WORDS: position,
            Word.RUN: number,
            Word.CYCLES: runner.cycles[:WORD_BITS],
            Word.CYCLES + 1: runner.cycles[WORD_BITS:],
            Word.LATENCY: runner.latency[:WORD_BITS],
            Word.LATENCY + 1: runner.latency[WORD_BITS:],
            Word.DONE: runner.done,
            Word.DROPPED: dropped,
        }
        for at in range(0, len(machine), WORD_BITS // 8):
            piece = machine[at : at + WORD_BITS // 8]
            words[Word.FINGERPRINT + 8 * at // WORD_BITS] = int.from_bytes(piece, "little")
        if max(words) >= WORDS:
            raise ValueError(f"link: word {max(words)}, there are {WORDS}")
        return words
