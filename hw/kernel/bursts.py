"""Addresses and lengths of the bursts that cover a range of memory."""

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.kernel.axi import BURST_BEATS

BEAT_SHIFT = 6


class BurstCursor(wiring.Component):
    """Where the next burst starts and how long it may be.

    A burst ends at a multiple of ``burst`` beats at the latest, so none crosses a 4 KiB boundary.

    Parameters
    ----------
    burst: beats of the longest burst, a power of two up to 64.

    Members
    -------
    start: loads ``base``.
    base: byte address of the first beat, a multiple of 64.
    advance: the burst at ``address`` was issued with ``room`` beats, or it was the last one.
    address: byte address of the next burst.
    room: beats up to the next multiple, 1..burst.

    ``address`` and ``room`` follow ``start`` and ``advance`` one cycle later.

    Raises
    ------
    ValueError: ``burst`` is not such a power of two.
    """

    start: Signal
    base: Signal
    advance: Signal
    address: Signal
    room: Signal

    def __init__(self, burst: int) -> None:
        if not (1 <= burst <= BURST_BEATS and burst & (burst - 1) == 0):
            raise ValueError(
                f"burst is {burst} beats, needs a power of two from 1 to {BURST_BEATS}"
            )
        self.burst = burst
        super().__init__(
            {
                "start": In(1),
                "base": In(64),
                "advance": In(1),
                "address": Out(64),
                "room": Out(range(burst + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        split = BEAT_SHIFT + (self.burst - 1).bit_length()
        chunk = Signal(64 - split)
        offset = Signal(range(self.burst))
        room = Signal.like(self.room, init=self.burst)
        m.d.comb += [
            self.address.eq(Cat(Const(0, BEAT_SHIFT), offset[: split - BEAT_SHIFT], chunk)),
            self.room.eq(room),
        ]
        with m.If(self.start):
            beat = self.base[BEAT_SHIFT:split]
            m.d.sync += [
                chunk.eq(self.base[split:]),
                offset.eq(beat),
                room.eq(self.burst - beat),
            ]
        with m.Elif(self.advance):
            m.d.sync += [chunk.eq(chunk + 1), offset.eq(0), room.eq(self.burst)]
        return m
