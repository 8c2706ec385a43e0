"""Telling responses to today's requests from those to requests before a reset."""

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from twofold.hw.kernel.axi import ID_BITS


class Epoch(wiring.Component):
    """Number of resets, modulo ``2 ** ID_BITS``, to be used as AXI transaction id.

    The memory keeps answering requests that were made before a reset of the kernel alone. Each
    response carries the id of its request; those with another id than ``current`` are stale. Unlike
    counting what is outstanding, this also works when the memory was reset too and never answers.

    The register is the only one that a reset does not clear. An id is used again after
    ``2 ** ID_BITS`` resets; by then the memory has to have answered.

    Members
    -------
    current: id of this epoch; changes in the first cycle of a reset.
    """

    current: Signal

    def __init__(self) -> None:
        super().__init__({"current": Out(ID_BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        current = Signal(ID_BITS, reset_less=True)
        before = Signal(reset_less=True, init=1)
        reset = ResetSignal("sync", allow_reset_less=True)
        m.d.sync += before.eq(reset)
        with m.If(reset & ~before):
            m.d.sync += current.eq(current + 1)
        m.d.comb += self.current.eq(current)
        return m
