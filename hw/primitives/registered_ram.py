"""Memory that is given its read address a cycle ahead: in LUTs, or deep ones in block memories."""

from amaranth.hdl import *
from amaranth.hdl import ShapeLike
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.target import Target
from twofold.hw.primitives.ecp5 import block_ram, block_width
from twofold.hw.primitives.memory import LutRam
from twofold.hw.primitives.tile import target_of

LUT_DEPTH = 64
"""Deepest memory in LUTs of the ECP5, which hold 16 words each and need multiplexers beyond."""


class RegisteredRam(wiring.Component):
    """One write port, and one read port with a register for its address.

    Parameters
    ----------
    shape: shape of an element.
    depth: elements, >= 1.

    Members
    -------
    write_en, write_address, write_data: the element is written at the end of the cycle.
    address: of the element to read.
    data: the element, one cycle after its address; one that was written together with the address,
        as written.

    Raises ValueError for a depth below 1.
    """

    write_en: Signal
    write_address: Signal
    write_data: Signal | View
    address: Signal
    data: Signal | View

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"memory: depth is {depth}, needs >= 1")
        self.shape, self.depth = shape, depth
        place = range(max(depth, 2))
        super().__init__(
            {
                "write_en": In(1),
                "write_address": In(place),
                "write_data": In(shape),
                "address": In(place),
                "data": Out(shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        deep = self.depth > LUT_DEPTH and block_width(self.depth) is not None
        if deep and target_of(platform) is Target.ECP5:
            self._blocks(m)
        else:
            self._luts(m)
        return m

    def _luts(self, m: Module) -> None:
        address = Signal.like(self.address, name="read", reset_less=True)
        m.d.sync += address.eq(self.address)
        m.submodules.ram = ram = LutRam(self.shape, self.depth)
        m.d.comb += [
            ram.address[0].eq(address),
            ram.write_address.eq(self.write_address),
            ram.write_en.eq(self.write_en),
            ram.write_data.eq(self.write_data),
            self.data.eq(ram.data[0]),
        ]

    def _blocks(self, m: Module) -> None:
        """A word that is written while it is read is taken from a register beside the memory."""
        new = Value.cast(self.write_data)
        kept, same = Signal(len(new), reset_less=True), Signal()
        m.d.sync += [
            kept.eq(new),
            same.eq(self.write_en & (self.address == self.write_address)),
        ]
        write = self.write_en, self.write_address, new
        (word,) = block_ram(m, "block", [self.address], write, self.depth, registered=False)
        m.d.comb += Value.cast(self.data).eq(Mux(same, kept, word))
