"""Properties of the partial sums of a scatter engine."""

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from twofold.hw.engines.scatter.accumulators import (
    PRODUCT_BITS,
    Accumulators,
    EarlyAccumulators,
)


class AccumulatorsHarness(wiring.Component):
    """Reference model: two banks of plain sums, each product added to its own, at any address.

    The banks may be swapped in any cycle, the same sum may be added to in consecutive cycles, and
    sums may be drained and cleared in any order: no product is lost, none counts twice or in the
    other bank, and a drained value is the sum of everything added since it was cleared. Those that
    are read early are swapped only when every sum of the bank that drains has been cleared.

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
        early = isinstance(dut, EarlyAccumulators)
        given = Signal.like(self.address)
        m.d.sync += [
            given.eq(self.address),
            bank.eq(self.bank),
            address.eq(given if early else self.address),
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
        if early:
            self._swaps_when_cleared(m, bank, address, drained, clear & begun)
        return m

    def _swaps_when_cleared(
        self, m: Module, bank: Value, address: Value, drained: Value, clear: Value
    ) -> None:
        """Assume that a bank in which a sum counts is not chosen."""
        counting = [Signal(self.dut.depth, name=f"counting{number}") for number in range(2)]
        left = [Signal(self.dut.depth, name=f"left{number}") for number in range(2)]
        for number, (now, rest) in enumerate(zip(counting, left, strict=True)):
            m.d.comb += rest.eq(now)
            with m.If(bank == number):
                m.d.comb += rest.bit_select(address, 1).eq(1)
            with m.Elif(clear):
                m.d.comb += rest.bit_select(drained, 1).eq(0)
            m.d.sync += now.eq(rest)
        chosen = Mux(self.bank, left[1], left[0])
        m.d.comb += Assume((self.bank == bank) | (chosen == 0), "swapped when cleared")
