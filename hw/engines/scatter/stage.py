"""The scatter stage: any layer but the first, from winners to winners, rows or logits."""

from collections.abc import Callable, Sequence
from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from twofold.hw.contract.arith import ACT_BITS, LOGIT_BITS
from twofold.hw.contract.folding import ScatterPlan
from twofold.hw.contract.network import Output
from twofold.hw.engines.activity import ACTIVITY
from twofold.hw.engines.links import SIDES, ConfigBus, Credits, PixelLink, RowLink, winner_stream
from twofold.hw.engines.requantise import Requantise
from twofold.hw.engines.scatter.constants import Constants
from twofold.hw.engines.scatter.feed import PixelFeed, WinnerFeed, pixel_link
from twofold.hw.engines.scatter.sequencer import DrainSequencer
from twofold.hw.engines.scatter.shared import SharedTile
from twofold.hw.engines.scatter.tile import (
    PixelTile,
    ScatterTile,
    bank_delay,
    drain_latency,
    tile_of,
)
from twofold.hw.engines.scatter.weights import SharedRows, WeightWriter
from twofold.hw.primitives.delay import delayed


class ScatterStage(wiring.Component):
    """A convolution, an addition, a linear layer in front of global winners, or the last one.

    A sample starts when its input is complete (behind global winners: with its first beat) and the
    next layer has room for it; after that it never stalls. Passes and samples are back to back, one
    sample every `ScatterPlan.cycles` cycles; behind global winners, as fast as they arrive.

    Parameters
    ----------
    plan: the layer.
    frames: samples buffered at the input, without those for layers that it skips; unused behind
        global winners.
    credits: samples that the next layer has room for.

    Members
    -------
    i: `twofold.hw.engines.links.PixelLink`, or `twofold.hw.engines.links.winner_stream` behind a
        linear layer. An addition has ``j`` as well, from the second layer that it reads.
    config: writes to the tables; only while no sample is in the stage.
    o: `twofold.hw.engines.links.PixelLink` behind a convolution; otherwise
        `twofold.hw.engines.links.RowLink`, of uint8, or of signed 32-bit logits for the last layer.
        Channels that do not exist are 0.
    activity, lookups: inputs of the counters (see `twofold.hw.engines.activity`); a lookup is a
        non-zero entry of an engine.

    Latency: fixed by shape and folding.

    Raises FoldingError when the feed cannot serve the layer.
    """

    i: Any
    config: Any
    o: Any
    activity: Any
    lookups: Signal

    def __init__(self, plan: ScatterPlan, *, frames: int, credits: int) -> None:
        self.plan, self.frames, self.credits = plan, frames, credits
        self._feed = WinnerFeed(plan) if plan.streamed else PixelFeed(plan, frames)
        if plan.streamed:
            links = {"i": In(winner_stream(plan.indices, plan.folding.engines))}
        else:
            named = zip(SIDES, plan.sides, strict=False)
            links = {name: In(pixel_link(side)) for name, side in named}
        super().__init__(
            {
                **links,
                "config": In(ConfigBus()),
                "o": Out(LINKS[plan.stage.output](plan)),
                "activity": Out(ACTIVITY),
                "lookups": Out(plan.lookups),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        m.submodules.feed = feed = self._feed
        m.submodules.drain = drain = DrainSequencer(plan)
        m.submodules.credits = credits = Credits(self.credits)
        m.submodules.writer = writer = WeightWriter(plan)
        m.submodules.constants = constants = Constants(plan)
        for name in SIDES[: len(plan.sides)]:
            connect(m, flipped(getattr(self, name)), getattr(feed, name))
        connect(m, flipped(self.config), writer.config)
        connect(m, flipped(self.config), constants.config)
        m.d.comb += [
            feed.go.eq(drain.ready & credits.available),
            credits.take.eq(feed.take),
            credits.release.eq(self.o.release),
            self.activity.eq(feed.activity),
            self.lookups.eq(Cat(entry.value.any() for entry in feed.entries)),
        ]
        tiles = [_TILES[plan.stage.output](plan) for _ in range(plan.folding.tiles)]
        self._field(m, feed, drain, writer, tiles)
        _TAILS[plan.stage.output](self, m, drain.channel, constants, tiles)
        return m

    def _field(
        self,
        m: Module,
        feed: PixelFeed | WinnerFeed,
        drain: DrainSequencer,
        writer: WeightWriter,
        tiles: Sequence[Any],
    ) -> None:
        """All tiles in lock-step, each with its own entries."""
        if isinstance(feed, PixelFeed) and self.plan.shares_rows:
            self._shared(m, feed, drain, writer, tiles)
        else:
            for at, tile in enumerate(tiles):
                readers = len(tile.entries)
                mine = feed.entries[at * readers : (at + 1) * readers]
                m.d.comb += [
                    *(to.eq(entry) for to, entry in zip(tile.entries, mine, strict=True)),
                    tile.step.eq(feed.step),
                    tile.write.eq(writer.write),
                    tile.bank.eq(drain.bank),
                ]
        for at, tile in enumerate(tiles):
            m.submodules[f"tile{at}"] = tile
            m.d.comb += tile.drain.eq(drain.drain)
        delay = bank_delay(self.plan) + 1
        m.d.comb += drain.start.eq(delayed(m, feed.done, delay, name="done", reset=True))

    def _shared(
        self,
        m: Module,
        feed: PixelFeed,
        drain: DrainSequencer,
        writer: WeightWriter,
        tiles: Sequence[Any],
    ) -> None:
        """One set of weight memories for all tiles."""
        m.submodules.weights = weights = SharedRows(self.plan)
        m.d.comb += [weights.row.eq(feed.row), weights.write.eq(writer.write)]
        for at, tile in enumerate(tiles):
            readers = len(tile.values)
            mine = feed.entries[at * readers : (at + 1) * readers]
            m.d.comb += [
                *(to.eq(entry.value) for to, entry in zip(tile.values, mine, strict=True)),
                tile.rows.eq(weights.rows),
            ]
            if self.plan.sums_in_dsp:
                m.d.comb += [tile.first.eq(feed.first), tile.keep.eq(drain.start)]
            else:
                m.d.comb += [tile.step.eq(feed.step), tile.bank.eq(drain.bank)]

    def _pixels(
        self, m: Module, channel: Any, constants: Constants, tiles: Sequence[PixelTile]
    ) -> None:
        """Connect constants and channels to all tiles, and their winners to the link."""
        first = tiles[0]
        early = first.constants_delay - Constants.LATENCY
        m.d.comb += constants.step.eq(delayed(m, channel.index, early, name="step"))
        later = data.View(
            channel.shape(),
            delayed(m, channel.as_value(), first.channel_delay, name="channel", reset=True),
        )
        for at, tile in enumerate(tiles):
            m.d.comb += [
                tile.constants.add.eq(constants.add[0]),
                tile.constants.shift.eq(constants.shift),
                *(tile.channel[name].eq(later[name]) for name in ("valid", "last")),
                tile.channel.index.eq(later.index),
                self.o.payload[at].eq(tile.o),
            ]
            if self.plan.stage.layer.multiplier:
                m.d.comb += tile.constants.mul.eq(constants.mul[0])
        m.d.comb += self.o.valid.eq(first.o_valid)

    def _rows(
        self,
        m: Module,
        channel: Any,
        constants: Constants,
        tiles: Sequence[ScatterTile | SharedTile],
    ) -> None:
        """Connect requantised rows, or logits, of the only tile to the link."""
        (tile,) = tiles
        arrival = drain_latency(self.plan)
        early = arrival - Constants.LATENCY
        m.d.comb += constants.step.eq(delayed(m, channel.index, early, name="step"))
        values, latency = [], 1
        for lane, acc in enumerate(tile.o):
            if self.plan.stage.last:
                value = Signal(signed(LOGIT_BITS), name=f"logit{lane}", reset_less=True)
                m.d.sync += value.eq(acc + constants.add[lane])
            else:
                value, latency = self._requantise(m, lane, acc, constants)
            values.append(value)
        valid, last = (
            delayed(m, strobe, arrival + latency, name=name, reset=True)
            for name, strobe in (("valid", channel.valid), ("last", channel.last))
        )
        m.d.comb += self.o.valid.eq(valid)
        missing = -self.plan.stage.channels % len(values)
        for lane, (out, value) in enumerate(zip(self.o.values, values, strict=True)):
            exists = lane < len(values) - missing
            m.d.comb += out.eq(value if exists else Mux(last, 0, value))

    def _requantise(
        self, m: Module, lane: int, acc: Value, constants: Constants
    ) -> tuple[Value, int]:
        """Activation of a lane, and the latency up to it."""
        stage = self.plan.stage
        m.submodules[f"requantise{lane}"] = requantise = Requantise(
            stage.pooled_bits, stage.add_bits, multiplier=stage.layer.multiplier
        )
        m.d.comb += [
            requantise.acc.eq(acc),
            requantise.add.eq(constants.add[lane]),
            requantise.shift.eq(constants.shift),
        ]
        if stage.layer.multiplier:
            m.d.comb += requantise.mul.eq(constants.mul[lane])
        return requantise.o, requantise.latency


LINKS: dict[Output, Callable[[ScatterPlan], wiring.Signature]] = {
    Output.PIXELS: lambda plan: PixelLink(plan.folding.tiles, plan.stage.channels),
    Output.WINNERS: lambda plan: RowLink(plan.drain, unsigned(ACT_BITS)),
    Output.LOGITS: lambda plan: RowLink(plan.drain, signed(LOGIT_BITS)),
}
"""Link at the output of the stage."""

_TILES: dict[Output, Callable[[ScatterPlan], Any]] = {
    Output.PIXELS: PixelTile,
    Output.WINNERS: tile_of,
    Output.LOGITS: tile_of,
}

_TAILS: dict[Output, Callable[..., None]] = {
    Output.PIXELS: ScatterStage._pixels,
    Output.WINNERS: ScatterStage._rows,
    Output.LOGITS: ScatterStage._rows,
}
"""From the tiles to the link."""
