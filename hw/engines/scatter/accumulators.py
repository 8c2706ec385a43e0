"""Partial sums of a lane of a scatter engine."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.primitives.dsp import SPACING
from twofold.hw.primitives.registered_ram import RegisteredRam
from twofold.hw.primitives.update_ram import UpdateRam

PRODUCT_BITS = SPACING - 1


class Accumulators(wiring.Component):
    """Partial sums of one lane, in two banks: one accumulates while the other drains.

    Addresses are selected and registered before the product arrives, so that read, add and write
    fit into one cycle with little other logic. Both banks get the same sum as write data: clearing
    resets a flag stored with the sum, and without that flag the sum does not count. A single
    partial sum is a register.

    Parameters
    ----------
    depth: partial sums of a bank, >= 1.
    acc_bits: width of a signed sum.

    Members
    -------
    bank: the bank that accumulates; the other drains.
    address: partial sum that the product of the next cycle is added to.
    product: added one cycle after its ``address`` and ``bank``.
    drain_address, clear: partial sum to read from the other bank, and whether to clear it.
    sum, live: the partial sum, one cycle after ``drain_address``; counts as zero unless ``live``.

    Throughput: one product and one drained sum per cycle.
    """

    bank: Signal
    address: Signal
    product: Signal
    drain_address: Signal
    clear: Signal
    sum: Signal
    live: Signal

    def __init__(self, *, depth: int, acc_bits: int) -> None:
        self.depth, self.acc_bits = depth, acc_bits
        super().__init__(
            {
                "bank": In(1),
                "address": In(range(max(depth, 2))),
                "product": In(signed(PRODUCT_BITS)),
                "drain_address": In(range(max(depth, 2))),
                "clear": In(1),
                "sum": Out(signed(acc_bits)),
                "live": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bank, total = Signal(), Signal(signed(self.acc_bits))
        m.d.sync += bank.eq(self.bank)
        partial = [self._bank(m, index, bank == index, total) for index in range(2)]
        masked = [
            each.sum & (each.live & (bank == index)).replicate(self.acc_bits)
            for index, each in enumerate(partial)
        ]
        m.d.comb += [
            total.eq((masked[0] | masked[1]).as_signed() + self.product),
            self.sum.eq(Mux(bank, partial[0].sum, partial[1].sum)),
            self.live.eq(Mux(bank, partial[0].live, partial[1].live)),
        ]
        return m

    def _bank(self, m: Module, index: int, accumulates: Value, total: Value) -> Any:
        """One bank; returns the partial sum it reads in this cycle, with its ``live`` flag."""
        layout = data.StructLayout({"sum": signed(self.acc_bits), "live": 1})
        chosen = self.bank == index
        write, new = Signal(name=f"write{index}"), Signal(layout, name=f"new{index}")
        m.d.sync += write.eq(chosen | self.clear)
        m.d.comb += [new.sum.eq(total), new.live.eq(accumulates)]
        if self.depth == 1:
            partial = Signal(layout, name=f"partial{index}")
            with m.If(write):
                m.d.sync += partial.eq(new)
            return partial
        address = Signal(range(self.depth), name=f"address{index}", reset_less=True)
        m.d.sync += address.eq(Mux(chosen, self.address, self.drain_address))
        m.submodules[f"bank{index}"] = ram = UpdateRam(layout, self.depth)
        m.d.comb += [
            ram.address.eq(address),
            ram.write_en.eq(write),
            ram.write_data.eq(new),
        ]
        return ram.data


class EarlyAccumulators(Accumulators):
    """`Accumulators` with a register between reading and adding.

    A sum that the product before is still being added to is taken from the adder. The bank of the
    next product is not known in time to read it, so the first product after a swap finds no sum.

    Parameters
    ----------
    depth: partial sums of a bank, >= 2.
    acc_bits: width of a signed sum.

    Members
    -------
    address: as in `Accumulators`, but one cycle earlier: two cycles before its product.
    bank: when it changes, every sum of the bank that then accumulates has been cleared.

    The other members are those of `Accumulators`, with the same timing.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bank, total = Signal(), Signal(signed(self.acc_bits))
        address, again = Signal.like(self.address), Signal()
        m.d.sync += [
            bank.eq(self.bank),
            address.eq(self.address),
            again.eq(self.address == address),
        ]
        partial = [self._early(m, index, address, bank == index, total) for index in range(2)]
        masked = [
            each.sum & (each.live & (bank == index)).replicate(self.acc_bits)
            for index, each in enumerate(partial)
        ]
        held = Signal(signed(self.acc_bits), reset_less=True)
        m.d.sync += held.eq(Mux(again, total, masked[0] | masked[1]))
        with m.If(self.bank != bank):
            m.d.sync += held.eq(0)
        m.d.comb += [
            total.eq(held + self.product),
            self.sum.eq(Mux(bank, partial[0].sum, partial[1].sum)),
            self.live.eq(Mux(bank, partial[0].live, partial[1].live)),
        ]
        return m

    def _early(
        self, m: Module, index: int, address: Value, accumulates: Value, total: Value
    ) -> Any:
        """One bank; returns the partial sum it reads in this cycle, with its ``live`` flag.

        ``address``: of the product of the next cycle.
        """
        layout = data.StructLayout({"sum": signed(self.acc_bits), "live": 1})
        chosen = self.bank == index
        write, new = Signal(name=f"write{index}"), Signal(layout, name=f"new{index}")
        m.d.sync += write.eq(chosen | self.clear)
        m.d.comb += [new.sum.eq(total), new.live.eq(accumulates)]
        written = Signal(range(self.depth), name=f"written{index}", reset_less=True)
        m.d.sync += written.eq(Mux(chosen, address, self.drain_address))
        m.submodules[f"bank{index}"] = ram = RegisteredRam(layout, self.depth)
        m.d.comb += [
            ram.address.eq(Mux(chosen, self.address, self.drain_address)),
            ram.write_address.eq(written),
            ram.write_en.eq(write),
            ram.write_data.eq(new),
        ]
        return ram.data
