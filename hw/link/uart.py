"""Serial line: 8 bits, no parity, one stop bit, at any ratio of clock and rate from 4 on."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

PHASE_BITS = 16
BITS = 10
"""Start, eight of data, stop."""


def step_of(clock_hz: int, baud: int) -> int:
    """What a phase of `PHASE_BITS` advances by per cycle. Raises ValueError unless a bit lasts 4
    cycles or more.
    """
    if not 0 < 4 * baud <= clock_hz:
        raise ValueError(f"uart: {baud} baud at {clock_hz} Hz; a bit has to last 4 cycles or more")
    return round((baud << PHASE_BITS) / clock_hz)


def idle_high(flow: Any) -> Any:
    """Port of one bit in direction ``flow`` (`In`, `Out`), 1 from reset on, as an idle line is."""
    return flow(1, init=1)


class Receiver(wiring.Component):
    """Bytes from a line.

    Parameters
    ----------
    step: see `step_of`.

    Members
    -------
    rx: the line, in any phase of the clock.
    valid, payload: a byte has arrived; nothing waits for anyone. One with a broken stop bit is
        left out.
    """

    rx: Signal
    valid: Signal
    payload: Signal

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__({"rx": idle_high(In), "valid": Out(1), "payload": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules += FFSynchronizer(self.rx, line, init=1)
        phase = Signal(PHASE_BITS)
        moved = Signal(PHASE_BITS + 1)
        left = Signal(range(BITS + 1))
        shift = Signal(8)
        m.d.comb += [moved.eq(phase + self.step), self.payload.eq(shift)]
        m.d.sync += self.valid.eq(0)
        with m.If(left == 0):
            m.d.sync += phase.eq(1 << PHASE_BITS - 1)  # sampled in the middle of each bit
            with m.If(~line):
                m.d.sync += left.eq(BITS)
        with m.Else():
            m.d.sync += phase.eq(moved)
            with m.If(moved[-1]):
                m.d.sync += left.eq(left - 1)
                with m.If((left == BITS) & line):
                    m.d.sync += left.eq(0)  # a glitch, not a start bit
                with m.Elif(left == 1):
                    m.d.sync += self.valid.eq(line)
                with m.Else():
                    m.d.sync += shift.eq(Cat(shift[1:], line))
        return m


class Transmitter(wiring.Component):
    """Bytes onto a line.

    Parameters
    ----------
    step: see `step_of`.

    Members
    -------
    i: stream of bytes.
    tx: the line; 1 while there is nothing to send.
    """

    i: Any
    tx: Signal

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__({"i": In(stream.Signature(8)), "tx": idle_high(Out)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        phase = Signal(PHASE_BITS)
        moved = Signal(PHASE_BITS + 1)
        left = Signal(range(BITS + 1))
        shift = Signal(BITS, init=(1 << BITS) - 1)
        m.d.comb += [moved.eq(phase + self.step), self.i.ready.eq(left == 0)]
        m.d.sync += self.tx.eq(shift[0])
        with m.If(left == 0), m.If(self.i.valid):
            m.d.sync += [shift.eq(Cat(0, self.i.payload, 1)), left.eq(BITS), phase.eq(0)]
        with m.Else():
            m.d.sync += phase.eq(moved)
            with m.If(moved[-1]):
                m.d.sync += [shift.eq(Cat(shift[1:], 1)), left.eq(left - 1)]
        return m
