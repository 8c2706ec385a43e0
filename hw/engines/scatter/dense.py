"""Dense engine: all activations times dense weights, accumulated inside the DSPs."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import ACT_BITS, WEIGHT_BITS
from twofold.hw.primitives.choice import choice_levels, choose
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.dsp import SPACING, PackedSum
from twofold.hw.primitives.tile import Tile


class DenseEngine(Tile):
    """Accumulates one kernel per lane, product by product, and holds the sums until they drain.

    Two lanes share a multiplier, whose output register holds both sums. Overflows of the lower sum
    into the upper one are counted outside the DSP, so a lane takes a few LUTs instead of an adder
    and a memory. Complete sums are copied to registers of their own, and the next ones start at
    once.

    Parameters
    ----------
    lanes: kernels computed in parallel, >= 1.
    products: products per sum, >= 1.
    acc_bits: width of a sum.
    drain: lanes drained at a time; divides ``lanes``.

    Members
    -------
    row: weight of each lane.
    value: activation, uint8.
    first: asserted with the first product of the sums; ``products - 1`` more follow in the next
        cycles.
    keep: asserted when the sums are complete, `LATENCY` cycles after their last product.
    group: group of ``drain`` lanes to drain; the first one no earlier than one cycle after
        ``keep``, the last one before the next ``keep``.
    sums: sums of ``drain`` neighbouring lanes, `drain_latency` cycles after ``group``.
    """

    LATENCY = PackedSum.LATENCY
    APART_IN_SIMULATION = False

    row: Any
    value: Signal
    first: Signal
    keep: Signal
    group: Signal
    sums: Any

    def __init__(self, *, lanes: int, products: int, acc_bits: int, drain: int = 1) -> None:
        self.lanes, self.products, self.acc_bits, self.drain = lanes, products, acc_bits, drain
        self.groups = lanes // drain
        self.drain_latency = 1 + choice_levels(self.groups) + 1
        self._initial = -(products << PackedSum.BIAS_BITS)
        super().__init__(
            {
                "row": In(data.ArrayLayout(signed(WEIGHT_BITS), lanes)),
                "value": In(ACT_BITS),
                "first": In(1),
                "keep": In(1),
                "group": In((self.groups - 1).bit_length()),
                "sums": Out(data.ArrayLayout(signed(acc_bits), drain)),
            }
        )

    @property
    def parameters(self) -> tuple[int, ...]:
        return self.lanes, self.products, self.acc_bits, self.drain

    def build(self, platform: object) -> Module:
        m = Module()
        start = delayed(m, self.first, PackedSum.START_DELAY, name="start")
        fresh = delayed(m, start, PackedSum.LATENCY - PackedSum.START_DELAY, name="fresh")
        kept = delayed(m, self.keep, 1, name="keep", reset=True)
        pairs: list[tuple[Value, Value]] = []
        for lane in range(0, self.lanes, 2):
            m.submodules[f"sum{lane}"] = both = PackedSum(self.products)
            m.d.comb += [
                both.low_i.eq(self.row[lane]),
                both.value.eq(self.value),
                both.start.eq(start),
            ]
            if lane + 1 < self.lanes:
                m.d.comb += both.high_i.eq(self.row[lane + 1])
            pairs += self._pair(m, lane, both.p, fresh, kept)
        group = delayed(m, self.group, 1, name="group")
        for at, out in enumerate(self.sums):
            mine = pairs[at : self.lanes : self.drain]
            total = choose(m, [total for total, _ in mine], group, name=f"total{at}")
            excess = choose(m, [excess for _, excess in mine], group, name=f"excess{at}")
            m.d.sync += out.eq(total - excess)
        return m

    def _pair(
        self, m: Module, lane: int, p: Value, fresh: Value, kept: Value
    ) -> list[tuple[Value, Value]]:
        """The held sums of two lanes, each as a value and the excess to subtract from it."""
        before = Signal(name=f"before{lane}", reset_less=True)
        overflows = Signal(signed(self._overflow_bits), name=f"overflows{lane}", reset_less=True)
        top = p[SPACING - 1]
        initial = (self._initial >> SPACING - 1) & 1
        fallen = Mux(fresh, initial, before) & ~top
        m.d.sync += [
            before.eq(top),
            overflows.eq(Mux(fresh, self._initial >> SPACING, overflows) + fallen),
        ]
        sums = Signal(SPACING + self.acc_bits, name=f"sums{lane}", reset_less=True)
        excess = Signal.like(overflows, name=f"excess{lane}")
        with m.If(self.keep):
            m.d.sync += sums.eq(p)
        with m.If(kept):
            m.d.sync += excess.eq(overflows)
        low = Signal(signed(self.acc_bits), name=f"low{lane}")
        high = Signal(signed(self.acc_bits), name=f"high{lane}")
        m.d.comb += [
            low.eq(Cat(sums[:SPACING], excess).as_signed()),
            high.eq(sums[SPACING:].as_signed()),
        ]
        return [(low, Const(0, excess.shape())), (high, excess)]

    @property
    def _overflow_bits(self) -> int:
        """Bits of the lower sum above `twofold.hw.primitives.dsp.SPACING`, signed, including the
        missing bias.
        """
        return (-self._initial >> SPACING).bit_length() + 2
