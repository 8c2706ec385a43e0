"""Counters: activity of a machine's engines since reset, for the host.

Events are counted where they occur, in as few bits as a round needs (`Tally`). In each round the
tallies are read one after another, and added to their totals in one memory, so that a single wide
adder serves all counters (`Counters`). Counters never stall the machine.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.folding import Plan
from twofold.hw.contract.regs import COUNTER_BITS, COUNTERS, LAYERS_COUNTED, counter_number
from twofold.hw.engines.activity import ACTIVITY
from twofold.hw.engines.winners.count import PopCount
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.memory import LutRam

NUMBERS = sum(register.values for register in COUNTERS)


class Tally(wiring.Component):
    """Counts the ones among its flags between two takes, times a weight.

    Parameters
    ----------
    width: flags, >= 1.
    period: maximum number of cycles between two takes.
    weight: weight of a one, >= 1.

    Members
    -------
    flags: flags of this cycle; counted `latency` cycles later.
    take: ends a count.
    amount: the last completed count, times ``weight``.
    """

    flags: Signal
    take: Signal
    amount: Signal

    def __init__(self, width: int, *, period: int, weight: int = 1) -> None:
        self.width, self.period, self.weight = width, period, weight
        self.latency = 1 + (PopCount.latency_of(width) if width > 1 else 0)
        most = width * period
        self._count = range(most + 1)
        super().__init__(
            {"flags": In(width), "take": In(1), "amount": Out(range(most * weight + 1))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        flags = Signal(self.width)
        m.d.sync += flags.eq(self.flags)
        ones: Value = flags
        if self.width > 1:
            m.submodules.ones = counted = PopCount(self.width)
            m.d.comb += counted.bits.eq(flags)
            ones = counted.total
        count = Signal(self._count)
        m.d.sync += count.eq(Mux(self.take, 0, count) + ones)
        with m.If(self.take):
            m.d.sync += self.amount.eq(times(count, self.weight))
        return m


def times(value: Value, factor: int) -> Value:
    """``value * factor`` with as few additions and subtractions as possible, and no multiplier."""
    product, at = Const(0), 0
    while factor:
        if factor & 1:
            digit = 2 - (factor & 3)
            shifted = value << at
            product = product + shifted if digit > 0 else product - shifted
            factor -= digit
        factor, at = factor >> 1, at + 1
    return product


FEW = 4
"""Amounts that are combined per cycle."""


class Counters(wiring.Component):
    """Totals of every counter of a machine, since reset.

    The totals are those of `twofold.hw.contract.regs.COUNTERS`, for the first ``LAYERS_COUNTED``
    layers. They never stop and never wrap around in practice (64 bits). An event is included in its
    total after at most `SETTLED` cycles.

    Parameters
    ----------
    plans: plans of all layers.

    Members
    -------
    working: there are samples in the machine.
    activity<n>, lookups<n>: of layer ``n`` (see `ACTIVITY`, `twofold.hw.contract.engines.Plan`).
    entries<n>: flags of the non-zero activations that leave layer ``n``; absent for the last layer.
    number: number of a total (see `twofold.hw.contract.regs.counter_number`).
    total: the total of ``number``, `LATENCY` cycles later; 0 if there is no such counter.
    """

    LATENCY = 2
    SETTLED = 64
    ROUND_MIN = 8
    """Minimum cycles of a round, so that a total is written before it is read again."""

    working: Signal
    number: Signal
    total: Signal

    def __init__(self, plans: Sequence[Plan]) -> None:
        self.plans = tuple(plans[:LAYERS_COUNTED])
        ports: dict[str, wiring.Member] = {
            "working": In(1),
            "number": In(range(NUMBERS)),
            "total": Out(COUNTER_BITS),
        }
        for index, plan in enumerate(self.plans):
            ports[f"activity{index}"] = In(ACTIVITY)
            ports[f"lookups{index}"] = In(plan.lookups)
            if not plan.stage.last:
                ports[f"entries{index}"] = In(plan.entries)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        events = dict(self._events())
        period = max(len(events), self.ROUND_MIN)
        slot = Signal(period, init=1)
        m.d.sync += slot.eq(slot.rotate_left(1))
        amounts: list[Value] = []
        for place, (name, (flags, weight)) in enumerate(events.items()):
            tally = Tally(len(flags), period=period, weight=weight)
            m.submodules[f"tally_{name[0]}{name[1]}"] = tally
            m.d.comb += [tally.flags.eq(flags), tally.take.eq(slot[place])]
            taken = Signal(name=f"taken{place}")
            m.d.sync += taken.eq(slot[place])
            amounts.append(tally.amount & taken.replicate(len(tally.amount)))
        self._sum(m, amounts, [counter_number(*name) for name in events])
        return m

    def _events(self) -> Iterator[tuple[tuple[str, int], tuple[Value, int]]]:
        """Flags and weight of every counter, by register and layer."""
        yield ("total_cycles", 0), (Const(1, 1), 1)
        for index, plan in enumerate(self.plans):
            activity = getattr(self, f"activity{index}")
            yield ("busy", index), (activity.busy, 1)
            yield ("starved", index), (activity.starved & self.working, 1)
            yield ("blocked", index), (activity.blocked, 1)
            lookups = getattr(self, f"lookups{index}")
            yield ("multiplications", index), (lookups, plan.products_of_lookup)
            if not plan.stage.last:
                yield ("nonzero", index), (getattr(self, f"entries{index}"), 1)

    def _sum(self, m: Module, amounts: list[Value], numbers: list[int]) -> None:
        """Add the amount of each slot to its total: read, add, write, one cycle each."""
        period = max(len(amounts), self.ROUND_MIN)
        m.submodules.totals = totals = LutRam(COUNTER_BITS, period, 2)
        place, known, started = Signal(range(period)), Signal(), Signal()
        wraps = place == period - 1
        m.d.sync += started.eq(delayed(m, Const(1, 1), 1, name="starts", reset=True))
        m.d.sync += place.eq(Mux(started & ~wraps, place + 1, 0))
        with m.If(started & wraps):
            m.d.sync += known.eq(1)
        amount = Signal(max(map(len, amounts)), reset_less=True)
        # At most one amount is not 0.
        few = [
            delayed(m, reduce(or_, amounts[at : at + FEW]), 1, name=f"few{at}")
            for at in range(0, len(amounts), FEW)
        ]
        before, after = (Signal(COUNTER_BITS, name=n, reset_less=True) for n in ("before", "after"))
        m.d.sync += [
            amount.eq(reduce(or_, few)),
            before.eq(Mux(known, totals.data[0], 0)),
            after.eq(before + amount),
        ]
        m.d.comb += [
            totals.address[0].eq(place),
            totals.write_en.eq(delayed(m, started, 2, name="started", reset=True)),
            totals.write_address.eq(delayed(m, place, 2, name="place")),
            totals.write_data.eq(after),
        ]
        wanted, exists = Signal(range(period)), Signal()
        m.d.sync += [wanted.eq(0), exists.eq(0)]
        with m.Switch(self.number):
            for place_of, number in enumerate(numbers):
                with m.Case(number):
                    m.d.sync += [wanted.eq(place_of), exists.eq(1)]
        m.d.comb += totals.address[1].eq(wanted)
        m.d.sync += self.total.eq(Mux(exists & known, totals.data[1], 0))
