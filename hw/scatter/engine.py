"""Scatter engine: a winner's value times its weight row, added to the kernels the row names."""

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.contract.arith import ACT_BITS, WEIGHT_BITS
from hw.dsp import SPACING, PackedMultiply
from hw.memory import LutRam
from hw.scatter.delay import delayed

PRODUCT_BITS = SPACING - 1


def element_layout(slots: int) -> data.StructLayout:
    """Element of a weight row, as in the weight table: ``weight``, ``slot`` within the set."""
    return data.StructLayout({"weight": signed(WEIGHT_BITS), "slot": (slots - 1).bit_length()})


def drain_layout(depth: int, groups: int = 1) -> data.StructLayout:
    """What drains an accumulator: ``address``, ``clear`` behind the read, ``group`` of lanes."""
    return data.StructLayout(
        {"address": range(max(depth, 2)), "clear": 1, "group": (groups - 1).bit_length()}
    )


class Accumulators(wiring.Component):
    """Partial sums of one lane, in two banks: one accumulates while the other drains.

    The address is chosen and registered before the product arrives, so that reading, adding and
    writing share one cycle with nothing else. A single partial sum is a register.

    Parameters
    ----------
    depth: partial sums of a bank, >= 1.
    acc_bits: width of a signed sum.

    Members
    -------
    bank: the bank that accumulates; the other drains.
    address: partial sum that the product of the next cycle is added to.
    product: added one cycle after its ``address`` and ``bank``.
    drain_address, clear: partial sum to read from the other bank, and whether to set it to zero.
    sum: the partial sum, `DRAIN_LATENCY` cycles after ``drain_address``.

    Latency: one product and one drained sum a cycle.
    """

    DRAIN_LATENCY = 2

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
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bank = Signal()
        m.d.sync += bank.eq(self.bank)
        partial = [self._bank(m, index, bank == index) for index in range(2)]
        m.d.sync += self.sum.eq(Mux(bank, partial[0], partial[1]))
        return m

    def _bank(self, m: Module, index: int, accumulates: Value) -> Value:
        """One bank; returns the partial sum it reads in this cycle."""
        chosen = self.bank == index
        write = Signal(name=f"write{index}")
        total = Signal(signed(self.acc_bits), name=f"total{index}")
        m.d.sync += write.eq(chosen | self.clear)
        if self.depth == 1:
            partial = Signal(signed(self.acc_bits), name=f"partial{index}")
            with m.If(write):
                m.d.sync += partial.eq(total)
        else:
            address = Signal(range(self.depth), name=f"address{index}", reset_less=True)
            m.d.sync += address.eq(Mux(chosen, self.address, self.drain_address))
            m.submodules[f"bank{index}"] = ram = LutRam(signed(self.acc_bits), self.depth)
            m.d.comb += [
                ram.address[0].eq(address),
                ram.write_en.eq(write),
                ram.write_address.eq(address),
                ram.write_data.eq(total),
            ]
            partial = ram.data[0]
        m.d.comb += total.eq(Mux(accumulates, partial + self.product, 0))
        return partial


class ScatterEngine(wiring.Component):
    """Multiplies weight rows with values and accumulates, all lanes in lock-step.

    Nothing is valid or invalid: a value of 0 changes no sum. Two lanes share a multiplier.

    Parameters
    ----------
    lanes: sets served at a time, >= 1.
    slots: kernels in a set.
    rounds: groups of ``lanes`` sets.
    acc_bits: width of an accumulator.

    Members
    -------
    row: for each lane, weight and slot (see `element_layout`).
    value: the winner's value, uint8.
    base: ``round * slots``, address of the round's first slot.
    bank: bank of the row that was given `LATENCY` - 1 cycles before.
    drain: see `drain_layout`; reads the bank that ``bank`` does not name. ``group`` is not used.
    sums: partial sums of all lanes, `DRAIN_LATENCY` cycles after ``drain``.

    Latency: a row is in the accumulators `LATENCY` cycles later; one row a cycle.
    """

    LATENCY = PackedMultiply.LATENCY
    DRAIN_LATENCY = Accumulators.DRAIN_LATENCY

    def __init__(self, *, lanes: int, slots: int, rounds: int, acc_bits: int) -> None:
        self.lanes, self.slots, self.rounds, self.acc_bits = lanes, slots, rounds, acc_bits
        self.depth = rounds * slots
        super().__init__(
            {
                "row": In(data.ArrayLayout(element_layout(slots), lanes)),
                "value": In(ACT_BITS),
                "base": In(range(max(self.depth, 2))),
                "bank": In(1),
                "drain": In(drain_layout(self.depth)),
                "sums": Out(data.ArrayLayout(signed(acc_bits), lanes)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        for lane, product in enumerate(self._products(m)):
            m.submodules[f"accumulators{lane}"] = accumulators = Accumulators(
                depth=self.depth, acc_bits=self.acc_bits
            )
            m.d.comb += [
                accumulators.bank.eq(self.bank),
                accumulators.address.eq(self._address(m, lane)),
                accumulators.product.eq(product),
                accumulators.drain_address.eq(self.drain.address),
                accumulators.clear.eq(self.drain.clear),
                self.sums[lane].eq(accumulators.sum),
            ]
        return m

    def _products(self, m: Module) -> list[Value]:
        """The product of every lane, `LATENCY` cycles after the row."""
        products: list[Value] = []
        for lane in range(0, self.lanes, 2):
            m.submodules[f"multiply{lane}"] = multiply = PackedMultiply()
            m.d.comb += [
                multiply.low_i.eq(self.row[lane].weight),
                multiply.value.eq(self.value),
            ]
            products.append(multiply.low)
            if lane + 1 < self.lanes:
                m.d.comb += multiply.high_i.eq(self.row[lane + 1].weight)
                products.append(multiply.high)
        return products

    def _address(self, m: Module, lane: int) -> Value:
        """Where the product of a lane goes, one cycle before the product."""
        if self.depth == 1:
            return Const(0)
        slot = self.row[lane].slot
        first = Signal(range(self.depth), name=f"address{lane}", reset_less=True)
        m.d.sync += first.eq(self.base + slot if self.rounds > 1 else slot)
        return delayed(m, first, self.LATENCY - 2, name=f"address{lane}")
