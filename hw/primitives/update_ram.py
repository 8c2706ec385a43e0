"""LUT memory for values that are read, modified and written back in one cycle."""

from typing import NamedTuple

from amaranth.hdl import *
from amaranth.hdl import ShapeLike
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.target import Target
from twofold.hw.primitives.memory import LutRam
from twofold.hw.primitives.tile import target_of

UPDATE_DEPTH = 32
PORT_BITS = 2


class Cell(NamedTuple):
    """A cell: its type, and the names of its two-bit ports; the last one is also the write port."""

    kind: str
    ports: str

    @property
    def bits(self) -> int:
        """Bits that it holds per address."""
        return PORT_BITS * len(self.ports)


LARGE, SMALL = Cell("RAM32M16", "ABCDEFGH"), Cell("RAM32M", "ABCD")


def update_cells(bits: int) -> list[Cell]:
    """Cells for ``bits`` bits: large ones, and a small one where it is enough for the rest."""
    large, rest = divmod(bits, LARGE.bits)
    last = [] if not rest else [SMALL] if rest <= SMALL.bits else [LARGE]
    return [LARGE] * large + last


class UpdateRam(wiring.Component):
    """Distributed memory that reads and writes at the same address.

    The port of a cell through which all others are written can only be read at the write address.
    Where read and write address are the same it holds data too: 16 bits in the eight LUTs that
    otherwise hold 14.

    Parameters
    ----------
    shape: shape of an element.
    depth: elements, >= 1. Built from UltraScale+ cells up to 32; beyond that, and for other
        targets, left to Yosys to map.

    Members
    -------
    address: address of the element.
    data: the element, in the same cycle.
    write_en, write_data: the element is replaced at the end of the cycle.

    Raises ValueError for a depth below 1.
    """

    address: Signal
    data: Signal | View
    write_en: Signal
    write_data: Signal | View

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"memory: depth is {depth}, needs >= 1")
        self.shape, self.depth = shape, depth
        super().__init__(
            {
                "address": In(range(max(depth, 2))),
                "data": Out(shape),
                "write_en": In(1),
                "write_data": In(shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if target_of(platform) is Target.XCUP and self.depth <= UPDATE_DEPTH:
            self._cells(m)
        else:
            self._behaviour(m)
        return m

    def _behaviour(self, m: Module) -> None:
        m.submodules.ram = ram = LutRam(self.shape, self.depth)
        m.d.comb += [
            ram.address[0].eq(self.address),
            ram.write_address.eq(self.address),
            ram.write_en.eq(self.write_en),
            ram.write_data.eq(self.write_data),
            self.data.eq(ram.data[0]),
        ]

    def _cells(self, m: Module) -> None:
        found, new = Value.cast(self.data), Value.cast(self.write_data)
        address = Signal((UPDATE_DEPTH - 1).bit_length(), name="wide_address")
        m.d.comb += address.eq(self.address)
        first = 0
        for cell in update_cells(len(new)):
            pins: dict[str, object] = {"i_WCLK": ClockSignal(), "i_WE": self.write_en}
            out, into = Signal(cell.bits, name=f"out{first}"), Signal(cell.bits, name=f"in{first}")
            m.d.comb += [into.eq(new[first:]), found[first : first + cell.bits].eq(out)]
            for at, port in enumerate(cell.ports):
                pins |= {
                    f"i_ADDR{port}": address,
                    f"i_DI{port}": into.word_select(at, PORT_BITS),
                    f"o_DO{port}": out[PORT_BITS * at : PORT_BITS * (at + 1)],
                }
            m.submodules[f"cell{first}"] = Instance(cell.kind, **pins)
            first += cell.bits
