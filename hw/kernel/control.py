"""The kernel's AXI4-Lite registers, generated from the contract's register table."""

from collections.abc import Iterator
from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.regs import (
    ADDRESS_BITS,
    ARGUMENTS,
    COUNTER_BITS,
    COUNTERS,
    READ_ONLY,
    Control,
    Interrupt,
    Register,
    register,
)
from twofold.hw.kernel.axi import AxiLite, Response
from twofold.hw.machine.counters import NUMBERS, Counters
from twofold.hw.primitives.delay import delayed

WORD = 32
WORD_BITS = ADDRESS_BITS - 2


def layout(registers: tuple[Register, ...]) -> data.StructLayout:
    """Struct with a field for each register."""
    return data.StructLayout({one.name: one.bits for one in registers})


class ControlBlock(wiring.Component):
    """Registers, start and end of runs (protocol ap_ctrl_chain), and the interrupt.

    Runs are queued one deep: START stays set until the kernel takes the run, then the next
    arguments may be written. The end of a run is reported as DONE until the host acknowledges it
    with CONTINUE; until then, the next end waits in the kernel. Both are interrupt events.

    Unknown addresses read as 0 and ignore writes, with response OKAY: the runtime also writes the
    words between the arguments. Writes honour the byte strobes.

    Reading the low half of a counter latches its high half, so that a read of the high half that
    follows returns the value of the same moment, whatever 32-bit registers are read in between.

    Members
    -------
    bus: the slave port.
    start: a run is queued and ``arguments`` belong to it.
    take: from the kernel, for one cycle: it has copied the arguments.
    running: from the kernel: a run was taken and has not ended.
    done: for one cycle, only while ``free``: the run has ended; ``values`` belong to it from then.
    free: the last end has been acknowledged.
    arguments: one field for each argument.
    values: one field for each read-only register but the counters.
    counter_number, counter_total: see `twofold.hw.machine.counters.Counters`.
    interrupt: level-sensitive.

    Latency: a write takes effect 2 cycles after address and data have arrived; a read is answered
    after `READ` cycles.
    """

    READ = 2 + Counters.LATENCY

    bus: Any
    start: Signal
    take: Signal
    running: Signal
    done: Signal
    free: Signal
    arguments: Any
    values: Any
    counter_number: Signal
    counter_total: Signal
    interrupt: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "bus": In(AxiLite(ADDRESS_BITS)),
                "start": Out(1),
                "take": In(1),
                "running": In(1),
                "done": In(1),
                "free": Out(1),
                "arguments": Out(layout(ARGUMENTS)),
                "values": In(layout(READ_ONLY)),
                "counter_number": Out(range(NUMBERS)),
                "counter_total": In(COUNTER_BITS),
                "interrupt": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        write = self._write_port(m)
        for one in ARGUMENTS:
            for index, value in _words(one, Value.cast(self.arguments[one.name])):
                write.store(m, index, value)
        asked, word = self._accept_reads(m)
        control, raised = self._run(m, write, asked & (word == register("control").offset // 4))
        readable = control | self._interrupts(m, write, raised)
        for one in ARGUMENTS:
            readable |= dict(_words(one, Value.cast(self.arguments[one.name])))
        for one in READ_ONLY:
            readable |= dict(_words(one, Value.cast(self.values[one.name])))
        self._answer(m, asked, word, readable)
        return m

    def _answer(self, m: Module, asked: Value, word: Value, readable: dict[int, Value]) -> None:
        """Drive the read data. Reading a low half latches the high half of the same moment, which
        is returned when it is read next, because the two cannot be read at once.
        """
        first, end = COUNTERS[0].offset // 4, COUNTERS[-1].end // 4
        m.d.comb += self.counter_number.eq((word - first)[1:])
        total = self.counter_total
        lows = {one.offset // 4 for one in READ_ONLY if one.bits == 2 * WORD}
        kept, of, held, low = Signal(WORD), Signal(WORD_BITS), Signal(), Signal()
        again = held & (word == of)

        def keep(high: Value) -> None:
            m.d.comb += low.eq(1)
            m.d.sync += [kept.eq(high), of.eq(word + 1)]

        with m.If(asked & (word >= first) & (word < end)):
            with m.If(word[0]):
                m.d.sync += self.bus.rdata.eq(Mux(again, kept, total[WORD:]))
            with m.Else():
                m.d.sync += self.bus.rdata.eq(total[:WORD])
                keep(total[WORD:])
        with m.Elif(asked), m.Switch(word):
            for index, value in readable.items():
                with m.Case(index):
                    high = index - 1 in lows
                    m.d.sync += self.bus.rdata.eq(Mux(again, kept, value) if high else value)
                    if index in lows:
                        keep(readable[index + 1])
            with m.Default():
                m.d.sync += self.bus.rdata.eq(0)
        with m.If(asked):
            m.d.sync += held.eq(low | (held & ~again))

    def _write_port(self, m: Module) -> "_Write":
        """Accept address and data in any order, then write."""
        bus, write = self.bus, _Write()
        addressed, filled = Signal(), Signal()
        m.d.comb += [
            bus.awready.eq(~addressed),
            bus.wready.eq(~filled),
            bus.bresp.eq(Response.OKAY),
            write.strobe.eq(addressed & filled & ~bus.bvalid),
        ]
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [addressed.eq(1), write.word.eq(bus.awaddr[2:])]
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [filled.eq(1), write.data.eq(bus.wdata), write.bytes.eq(bus.wstrb)]
        with m.If(write.strobe):
            m.d.sync += [addressed.eq(0), filled.eq(0), bus.bvalid.eq(1)]
        return write

    def _run(self, m: Module, write: "_Write", seen: Value) -> tuple[dict[int, Value], Value]:
        """The ``control`` register; returns it, and the interrupt events."""
        done, ready, restart = Signal(), Signal(), Signal()
        word = register("control").offset // 4
        m.d.comb += self.free.eq(~done)
        m.d.sync += ready.eq(self.take | (ready & ~seen))
        with m.If(self.take & ~restart):
            m.d.sync += self.start.eq(0)
        with m.If(write.hits(word) & write.bytes[0]):
            m.d.sync += restart.eq(_bit(write.data, Control.AUTO_RESTART))
            with m.If(_bit(write.data, Control.START)):
                m.d.sync += self.start.eq(1)
            with m.If(_bit(write.data, Control.CONTINUE)):
                m.d.sync += done.eq(0)
        with m.If(self.done):
            m.d.sync += done.eq(1)
        flags = {
            Control.START: self.start,
            Control.DONE: done,
            Control.IDLE: ~self.start & ~self.running,
            Control.READY: ready,
            Control.AUTO_RESTART: restart,
        }
        shown = Cat(flags.get(Control(1 << bit), Const(0, 1)) for bit in range(8))
        return {word: shown}, Cat(self.done, self.take)

    def _interrupts(self, m: Module, write: "_Write", raised: Value) -> dict[int, Value]:
        """The three interrupt registers."""
        enable, enabled, status = Signal(), Signal(len(Interrupt)), Signal(len(Interrupt))
        words = [
            register(f"interrupt_{name}").offset // 4 for name in ("global", "enable", "status")
        ]
        write.store(m, words[0], enable)
        write.store(m, words[1], enabled)
        cleared = Mux(write.hits(words[2]) & write.bytes[0], write.data[: len(Interrupt)], 0)
        m.d.sync += [
            status.eq((status & ~cleared) | (raised & enabled)),
            self.interrupt.eq(enable & status.any()),
        ]
        return dict(zip(words, (enable, enabled, status), strict=True))

    def _accept_reads(self, m: Module) -> tuple[Signal, Signal]:
        """Accept read addresses; returns whether one is being read, and its word."""
        bus = self.bus
        free, asked, word = Signal(init=1), Signal(), Signal(WORD_BITS)
        taken = bus.arvalid & bus.arready
        m.d.comb += [bus.arready.eq(free & ~bus.rvalid), bus.rresp.eq(Response.OKAY)]
        m.d.comb += asked.eq(delayed(m, taken, self.READ - 1, name="asked", reset=True))
        m.d.sync += free.eq((free & ~taken) | asked)
        with m.If(bus.arready):
            m.d.sync += word.eq(bus.araddr[2:])
        with m.If(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        with m.If(asked):
            m.d.sync += bus.rvalid.eq(1)
        return asked, word


class _Write:
    """A write to a word: ``strobe`` for one cycle, with address, data and bytes."""

    def __init__(self) -> None:
        self.strobe = Signal(name="write")
        self.word = Signal(WORD_BITS, name="write_word")
        self.data = Signal(32, name="write_data")
        self.bytes = Signal(4, name="write_bytes")

    def hits(self, word: int) -> Value:
        return self.strobe & (self.word == word)

    def store(self, m: Module, word: int, value: Value) -> None:
        """Make ``value`` of up to 32 bits writable at ``word``."""
        for byte in range(-(-len(value) // 8)):
            part = value[8 * byte : 8 * byte + 8]
            with m.If(self.hits(word) & self.bytes[byte]):
                m.d.sync += part.eq(self.data[8 * byte : 8 * byte + 8])


def _words(one: Register, value: Value) -> Iterator[tuple[int, Value]]:
    """Word address and 32 bits, for each word of a register."""
    for index in range(one.bits // 32):
        yield one.offset // 4 + index, value[32 * index : 32 * index + 32]


def _bit(value: Value, flag: Control) -> Value:
    return value[flag.bit_length() - 1]
