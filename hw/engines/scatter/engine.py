"""Scatter engine: a winner's value times its weight row, accumulated in the kernels it names."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import ACT_BITS, WEIGHT_BITS
from twofold.hw.contract.target import Target
from twofold.hw.engines.scatter.accumulators import Accumulators, EarlyAccumulators
from twofold.hw.primitives.choice import CHOICE_BITS, choice_levels, choose
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.dsp import PackedMultiply
from twofold.hw.primitives.tile import Tile, target_of


def element_layout(slots: int) -> data.StructLayout:
    """Element of a weight row, as in the weight table: ``weight``, ``slot`` within the set."""
    return data.StructLayout({"weight": signed(WEIGHT_BITS), "slot": (slots - 1).bit_length()})


def drain_layout(depth: int, groups: int = 1) -> data.StructLayout:
    """Drain control of accumulators: ``address``, ``clear`` after the read, lane ``group``."""
    return data.StructLayout(
        {"address": range(max(depth, 2)), "clear": 1, "group": (groups - 1).bit_length()}
    )


class ScatterEngine(Tile):
    """Multiplies weight rows by values and accumulates the products, all lanes in lock-step.

    There is no valid signal: a value of 0 leaves every sum unchanged. Two lanes share a multiplier.

    Parameters
    ----------
    lanes: sets processed in parallel, >= 1.
    slots: kernels in a set.
    rounds: groups of ``lanes`` sets.
    acc_bits: width of an accumulator.
    drain: lanes drained at a time; divides ``lanes``.

    Members
    -------
    row: for each lane, weight and slot (see `element_layout`).
    value: the winner's value, uint8.
    base: ``round * slots``, address of the round's first slot.
    bank: bank for the row that was presented `LATENCY` - 1 cycles earlier.
    drain: see `drain_layout`; reads the bank that ``bank`` does not select.
    sums: partial sums of ``drain`` neighbouring lanes, `drain_latency` cycles after ``drain``.

    Latency: a row is in the accumulators `LATENCY` cycles later; one row per cycle.
    """

    LATENCY = PackedMultiply.LATENCY
    APART_IN_SIMULATION = False

    row: Any
    value: Signal
    base: Signal
    bank: Signal
    drain: Any
    sums: Any

    def __init__(
        self, *, lanes: int, slots: int, rounds: int, acc_bits: int, drain: int = 1
    ) -> None:
        self.lanes, self.slots, self.rounds, self.acc_bits = lanes, slots, rounds, acc_bits
        self.depth, self.groups = rounds * slots, lanes // drain
        self.drain_latency = 1 + choice_levels(self.groups)
        super().__init__(
            {
                "row": In(data.ArrayLayout(element_layout(slots), lanes)),
                "value": In(ACT_BITS),
                "base": In(range((rounds - 1) * slots + 1)),
                "bank": In(1),
                "drain": In(drain_layout(self.depth, self.groups)),
                "sums": Out(data.ArrayLayout(signed(acc_bits), drain)),
            }
        )

    @property
    def parameters(self) -> tuple[int, ...]:
        return self.lanes, self.slots, self.rounds, self.acc_bits, len(self.sums)

    def build(self, platform: object) -> Module:
        m = Module()
        early = self.depth > 1 and target_of(platform) is Target.ECP5
        kind = EarlyAccumulators if early else Accumulators
        lanes: list[Accumulators] = []
        for lane, product in enumerate(self._products(m)):
            accumulators = kind(depth=self.depth, acc_bits=self.acc_bits)
            m.submodules[f"accumulators{lane}"] = accumulators
            m.d.comb += [
                accumulators.bank.eq(self.bank),
                accumulators.address.eq(self._address(m, lane, early=early)),
                accumulators.product.eq(product),
                accumulators.drain_address.eq(self.drain.address),
                accumulators.clear.eq(self.drain.clear),
            ]
            lanes.append(accumulators)
        group = Signal.like(self.drain.group)
        m.d.sync += group.eq(self.drain.group)
        for at, out in enumerate(self.sums):
            m.d.comb += out.eq(self._choose(m, lanes[at :: len(self.sums)], group, at))
        return m

    def _choose(self, m: Module, lanes: list[Accumulators], group: Value, at: int) -> Value:
        """Sum of the lane that ``group`` selects, registered at every multiplexer level."""
        reach = 1 << CHOICE_BITS
        sums: list[Value] = []
        for first in range(0, len(lanes), reach):
            few = lanes[first : first + reach]
            chosen = Signal(signed(self.acc_bits), name=f"chosen{at}_{first}", reset_less=True)
            low = group[:CHOICE_BITS]
            live = Array(lane.live for lane in few)[low]
            m.d.sync += chosen.eq(Mux(live, Array(lane.sum for lane in few)[low], 0))
            sums.append(chosen)
        if len(sums) == 1:
            return sums[0]
        rest = delayed(m, group, 1, name=f"group{at}")[CHOICE_BITS:]
        return choose(m, sums, rest, name=f"chosen{at}")

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

    def _address(self, m: Module, lane: int, *, early: bool) -> Value:
        """Accumulator address of a lane's product, one cycle ahead of the product; two if early."""
        if self.depth == 1:
            return Const(0)
        slot = self.row[lane].slot
        first = Signal(range(self.depth), name=f"address{lane}", reset_less=True)
        m.d.sync += first.eq(self.base + slot if self.rounds > 1 else slot)
        return delayed(m, first, self.LATENCY - 2 - early, name=f"address{lane}")
