"""Properties of the partial sums of a scatter engine."""

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from twofold.hw.engines.scatter.engine import PRODUCT_BITS, Accumulators


class AccumulatorsHarness(wiring.Component):
    """Reference model: two banks of plain sums, each product added to its own, at any address.

    The banks may be swapped in any cycle, the same sum may be added to in consecutive cycles, and
    sums may be drained and cleared in any order: no product is lost, none counts twice or in the
    other bank, and a drained value is the sum of everything added since it was cleared.

    Parameters
    ----------
    dut: component to prove. Sums are compared modulo ``2 ** acc_bits``.
    """

    bank: Signal
    address: Signal
    product: Signal
    drain_address: Signal
    clear: Signal

    def __init__(self, dut: Accumulators) -> None:
        self.dut = dut
        place = range(max(dut.depth, 2))
        super().__init__(
            {
                "bank": In(1),
                "address": In(place),
                "product": In(signed(PRODUCT_BITS)),
                "drain_address": In(place),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        depth, bits = dut.depth, dut.acc_bits
        m.d.comb += [
            Assume(~ResetSignal(), "no reset"),
            Assume(self.address < depth, "addresses exist"),
            Assume(self.drain_address < depth, "addresses exist"),
            *(getattr(dut, name).eq(getattr(self, name)) for name in self.signature.members),
        ]
        bank, address, drained = Signal(), Signal.like(self.address), Signal.like(self.address)
        clear, begun = Signal(), Signal()
        m.d.sync += [
            bank.eq(self.bank),
            address.eq(self.address),
            drained.eq(self.drain_address),
            clear.eq(self.clear),
            begun.eq(1),
        ]
        sums = Array(
            Array(Signal(bits, name=f"sum{number}_{at}") for at in range(depth))
            for number in range(2)
        )
        found = Signal(bits)
        m.d.comb += found.eq(Mux(dut.live, dut.sum.as_unsigned(), 0))
        with m.If(begun):
            m.d.comb += Assert(found == sums[~bank][drained], "wrong sum")
            m.d.sync += sums[bank][address].eq(sums[bank][address] + self.product)
            with m.If(clear):
                m.d.sync += sums[~bank][drained].eq(0)
        return m
