"""The gather stage: a convolution over a dense image."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.contract.folding import GatherPlan
from twofold.hw.engines.activity import ACTIVITY, TapLookups
from twofold.hw.engines.gather.feed import ChannelFeed, StepFeed
from twofold.hw.engines.gather.frame import InputFrame, check_beat
from twofold.hw.engines.gather.loader import WindowLoader
from twofold.hw.engines.gather.sequencer import StepSequencer
from twofold.hw.engines.gather.tile import GatherRow, control_layout
from twofold.hw.engines.links import ConfigBus, Credits, PixelLink


class GatherStage(wiring.Component):
    """Convolution, pooling, requantisation and winners per pixel, over images.

    Two processes exchange windows: the loader fills them, the sequencer computes on them. Their
    schedules are fixed by shape and folding alone.

    Parameters
    ----------
    plan: the layer with its folding.
    input_bytes: pixels per beat; divides an image row, or is a multiple of it.
    credits: samples that the consumer has room for.

    Members
    -------
    i: pixels, channel by channel and row by row, the first in the low byte. The last beat of an
        image is padded where the image is not a multiple of a beat.
    closed: no beat is accepted.
    config: writes to the tables.
    o: lists of winners (see `PixelLink`).
    activity, lookups: inputs of the counters (see `twofold.hw.engines.activity`); a lookup is a
        stored weight of a stream, for all positions.

    Throughput: one sample every ``plan.cycles`` cycles while pixels and credits are available,
    unless the beats of an image take longer. Back-pressure: a sample starts only with a credit; the
    input is ready while there is room for an image.

    Raises
    ------
    ValueError: the number of credits or of pixels per beat is below 1 or does not fit.
    """

    i: Any
    closed: Signal
    config: Any
    o: Any
    activity: Any
    lookups: Signal

    def __init__(self, plan: GatherPlan, *, input_bytes: int, credits: int) -> None:
        check_beat(plan.stage.in_shape[2], input_bytes)
        if credits < 1:
            raise ValueError(f"gather stage: {credits} credits, needs >= 1")
        self.plan, self.folding = plan, plan.folding
        self.input_bytes, self.credits = input_bytes, credits
        tiles = plan.folding.rows * plan.folding.cols
        super().__init__(
            {
                "i": In(stream.Signature(ACT_BITS * input_bytes)),
                "closed": In(1),
                "config": In(ConfigBus()),
                "o": Out(PixelLink(tiles, plan.stage.channels)),
                "activity": Out(ACTIVITY),
                "lookups": Out(plan.lookups),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        planes, height, width = self.plan.stage.in_shape
        images = images_kept(self.plan, -(-planes * height * width // self.input_bytes))
        m.submodules.frame = frame = InputFrame(
            height=planes * height,
            width=width,
            beat=self.input_bytes,
            images=images,
            reads=self.plan.row_phases,
            steady=WindowLoader.steady_of(self.plan),
        )
        m.submodules.loader = loader = WindowLoader(self.plan, frame)
        m.submodules.sequencer = sequencer = StepSequencer(self.plan)
        m.submodules.credits = credits = Credits(self.credits)
        connect(m, flipped(self.i), frame.i)
        m.d.comb += [
            frame.closed.eq(self.closed),
            frame.release.eq(loader.release),
            frame.line.eq(loader.line),
            loader.arrived.eq(frame.arrived),
            frame.rows.eq(loader.image_rows),
            loader.pixel_rows.eq(frame.o),
            loader.free.eq(sequencer.free),
            sequencer.loaded.eq(loader.loaded),
            sequencer.go.eq(credits.available),
            credits.take.eq(sequencer.take),
            credits.release.eq(self.o.release),
            self.activity.busy.eq(sequencer.active),
            self.activity.starved.eq(sequencer.starved),
            self.activity.blocked.eq(sequencer.blocked),
        ]
        m.submodules.taps = taps = TapLookups(self.plan)
        m.d.comb += [
            taps.active.eq(sequencer.active),
            taps.step.eq(sequencer.step),
            self.lookups.eq(taps.lookups),
        ]
        control, valid = self._control(m, sequencer)
        self._field(m, loader, control, valid)
        return m

    def _control(self, m: Module, sequencer: StepSequencer) -> tuple[data.View, Value]:
        """Control of the tiles, and whether a channel leaves them (see `control_layout`)."""
        m.submodules.steps = steps = StepFeed(self.plan)
        m.submodules.channels = channels = ChannelFeed(self.plan)
        control = Signal(control_layout(self.plan))
        for feed in (steps, channels):
            m.d.comb += [
                getattr(feed.config, name).eq(getattr(self.config, name))
                for name in self.config.signature.members
            ]
        m.d.comb += [
            steps.active.eq(sequencer.active),
            steps.step.eq(sequencer.step),
            steps.copy.eq(sequencer.copy),
            channels.done.eq(steps.done),
            control.steps.eq(steps.steps),
            control.channel.eq(channels.channel),
        ]
        return control, channels.valid

    def _field(self, m: Module, loader: WindowLoader, control: data.View, valid: Value) -> None:
        """Rows of tiles; all are in lock-step, so ``o_valid`` of the first one holds for all."""
        rows, cols = self.folding.rows, self.folding.cols
        for number in range(rows):
            m.submodules[f"row{number}"] = row = GatherRow(self.plan)
            m.d.comb += [
                row.control.eq(control),
                row.valid.eq(valid),
                row.write.eq(loader.rows[number]),
                row.pixels.eq(loader.pixels),
            ]
            m.d.comb += [
                self.o.payload[number * cols + column].eq(row.o[column]) for column in range(cols)
            ]
            if number == 0:
                m.d.comb += self.o.valid.eq(row.o_valid)


def images_kept(plan: GatherPlan, beats: int) -> int:
    """Images buffered, so that input and loader do not stall each other.

    An image occupies its buffer while it arrives, until the loader is done with it, and for one
    cycle of hand-over.
    """
    busy = beats + 1 + (plan.passes - 1) * plan.interval + plan.load_steps
    return max(2, -(-busy // max(plan.cycles, beats)))
