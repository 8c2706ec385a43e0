"""Search for the level that decides which values win: one half of a threshold search."""

from amaranth.hdl import *
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from twofold.hw.engines.winners.count import PopCount, one_of
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.tile import Tile

LEVEL_BITS = 4
LEVELS = 1 << LEVEL_BITS


class LevelSearch(Tile):
    """Finds the largest level that at least ``need`` members of a sample reach.

    Counts, for each level, the members that reach it, as the rows of the sample pass. A sample has
    at least ``need`` members in total.

    Parameters
    ----------
    channels: upper bound on the members of a sample, and on ``need``.
    drain: candidates per row.

    Members
    -------
    valid, last: a row, and the last of its sample; rows of the next sample may follow at once.
    levels, members: for each candidate of the row, its level, and whether it counts at all.
    need: number of winners; sampled with the last row.
    o_valid: the other outputs are valid for a sample.
    o_level: the level.
    o_need: number of winners among the members of exactly this level, 1..``need``.

    Latency: `latency` cycles from the last row to ``o_valid``; one row per cycle, no handshake.
    """

    valid: Signal
    last: Signal
    levels: "data.View[data.ArrayLayout]"
    members: Signal
    need: Signal
    o_valid: Signal
    o_level: Signal
    o_need: Signal

    def __init__(self, channels: int, drain: int) -> None:
        self.channels, self.drain = channels, drain
        self._count_latency = PopCount.latency_of(drain)
        self.latency = self.latency_of(drain)
        count = range(channels + 1)
        super().__init__(
            {
                "valid": In(1),
                "last": In(1),
                "levels": In(data.ArrayLayout(LEVEL_BITS, drain)),
                "members": In(drain),
                "need": In(count),
                "o_valid": Out(1),
                "o_level": Out(LEVEL_BITS),
                "o_need": Out(count),
            }
        )

    @staticmethod
    def latency_of(drain: int) -> int:
        """`latency` for a number of candidates per row."""
        return PopCount.latency_of(drain) + 5

    @property
    def parameters(self) -> tuple[int, int]:
        return self.channels, self.drain

    def build(self, platform: object, /) -> Module:
        m = Module()
        wait = 1 + self._count_latency
        valid = delayed(m, self.valid, wait, name="valid", reset=True)
        last = delayed(m, self.last, wait, name="last")
        need = delayed(m, self.need, wait + 1, name="need")
        done = Signal()
        fresh = Signal(init=1)
        m.d.sync += done.eq(valid & last)
        with m.If(valid):
            m.d.sync += fresh.eq(last)
        totals = [
            self._total(m, level=level, valid=valid, fresh=fresh) for level in range(1, LEVELS)
        ]
        self._decide(m, totals, done, need)
        return m

    def _total(self, m: Module, *, level: int, valid: Value, fresh: Value) -> Value:
        """Running count of the sample's members that reach ``level``."""
        m.submodules[f"count{level}"] = count = PopCount(self.drain)
        reach = Signal(self.drain, name=f"reach{level}", reset_less=True)
        total = Signal(range(self.channels + 1), name=f"total{level}", reset_less=True)
        m.d.sync += [
            reach[at].eq(self.members[at] & (self.levels[at] >= level)) for at in range(self.drain)
        ]
        m.d.comb += count.bits.eq(reach)
        with m.If(valid):
            m.d.sync += total.eq(Mux(fresh, 0, total) + count.total)
        return total

    def _decide(self, m: Module, totals: list[Value], done: Value, need: Value) -> None:
        """Compare, select the level, subtract the members above it: one cycle each."""
        reached = Signal(LEVELS + 1, init=1, reset_less=True)
        counts = [Signal.like(total, name=f"count_of{at + 1}") for at, total in enumerate(totals)]
        m.d.sync += [reached[at + 1].eq(total >= need) for at, total in enumerate(totals)]
        m.d.sync += [count.eq(total) for count, total in zip(counts, totals, strict=True)]
        level = Signal(LEVEL_BITS, reset_less=True)
        above = Signal(range(self.channels + 1), reset_less=True)
        at_level = reached[:LEVELS] & ~reached[1:]
        levels = [C(at, LEVEL_BITS) for at in range(LEVELS)]
        m.d.sync += [
            level.eq(one_of(at_level, levels)),
            above.eq(one_of(at_level[: len(counts)], counts)),
        ]
        m.d.sync += [
            self.o_level.eq(level),
            self.o_need.eq(delayed(m, need, 2, name="need_left") - above),
            self.o_valid.eq(delayed(m, done, 2, name="done", reset=True)),
        ]
