"""Links between the parts of the machine: their signals and their protocols.

There are three kinds. `ConfigBus` carries writes that are always accepted. `PixelLink` and
`RowLink` carry samples that are always accepted too, because the producer holds a credit (see
`Credits`) before it starts a sample. The winner and result streams use valid/ready handshakes.
"""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import ACT_BITS, LOGIT_BITS
from twofold.hw.contract.regs import BEAT_BYTES
from twofold.hw.contract.results import ResultRow
from twofold.hw.contract.tables import TableKind
from twofold.hw.primitives.tile import simulated

SIDES = "i", "j"
"""Names of a stage's links from the layers that it reads."""


class ConfigBus(wiring.Signature):
    """Table writes: one per cycle, broadcast to all stages, always accepted.

    Tables are written only while no sample is in the machine.

    Members
    -------
    valid: the other members describe a write.
    stage: index of the layer.
    kind: `twofold.hw.contract.tables.TableKind` of the table.
    lane: memory of the table.
    address: address of the element in the memory.
    data: the element, in the low bits; two's complement where it is signed.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "stage": Out(8),
                "kind": Out(8),
                "lane": Out(16),
                "address": Out(16),
                "data": Out(32),
            }
        )


def addressed(config: Any, stage: int, kind: TableKind) -> Value:
    """Whether the bus is writing to this table of a layer."""
    return config.valid & (config.stage == stage) & (config.kind == int(kind))


def lane_of(config: Any, lanes: int) -> Value:
    """Lane of a write to a table of ``lanes``. The loader lets no other lane through, so its upper
    bits need not be looked at.
    """
    return config.lane[: (lanes - 1).bit_length()]


def entry_layout(channels: int) -> data.StructLayout:
    """A winner: ``index`` (channel, >= 1 bit) and ``value`` (uint8; 0 contributes nothing)."""
    return data.StructLayout({"index": max(1, (channels - 1).bit_length()), "value": ACT_BITS})


class PixelLink(wiring.Signature):
    """Winner lists per pixel, between two convolutions or from a convolution to a linear layer.

    A sample is ``passes * k`` beats: pass after pass, and in each pass entries 0..k-1 of all tiles'
    lists. Where not all channels win, the ``k`` beats of a pass are back to back.

    Parameters
    ----------
    tiles: tiles of the producer; tile ``ty * cols + tx`` is element ``ty * cols + tx`` of a beat.
    channels: channels of the producer.

    Members
    -------
    valid: ``payload`` holds a beat, which is always accepted.
    payload: array of ``tiles`` entries (see `entry_layout`).
    release: from the consumer; pulses when a frame (one sample's lists) has been freed.
    """

    def __init__(self, tiles: int, channels: int) -> None:
        self.tiles = tiles
        self.channels = channels
        super().__init__(
            {
                "valid": Out(1),
                "payload": Out(data.ArrayLayout(entry_layout(channels), tiles)),
                "release": In(1),
            }
        )


class RowLink(wiring.Signature):
    """Rows of results of a linear layer, in channel order: ``ceil(channels / drain)`` beats per
    sample.

    Parameters
    ----------
    drain: values per beat; the last beat of a sample may hold values beyond the last channel.
    shape: shape of a value: unsigned 8 in front of global winners, signed 32 for logits.

    Members
    -------
    valid: ``values`` holds a beat, which is always accepted.
    values: array of ``drain`` values.
    release: from the consumer; pulses when a sample has left it.
    """

    def __init__(self, drain: int, shape: ShapeLike) -> None:
        self.drain = drain
        self.shape = shape
        super().__init__(
            {
                "valid": Out(1),
                "values": Out(data.ArrayLayout(shape, drain)),
                "release": In(1),
            }
        )


def winner_layout(channels: int, emit: int) -> data.StructLayout:
    """A beat of global winners: ``winners`` (array of ``emit`` entries), ``last`` of the sample."""
    return data.StructLayout({"winners": data.ArrayLayout(entry_layout(channels), emit), "last": 1})


def winner_stream(channels: int, emit: int) -> stream.Signature:
    """Stream of global winners of a layer of ``channels`` units, ``emit`` per beat."""
    return stream.Signature(winner_layout(channels, emit))


def result_layout(row: ResultRow) -> data.StructLayout:
    """A beat of a result.

    Where a result takes one beat of memory: ``logits`` (array of signed 32) and, unless they are
    raw outputs, ``label`` (index of the largest). Otherwise ``data``, 512 bits as stored in
    memory, and ``last`` of the result.
    """
    if row.beats > 1:
        return data.StructLayout({"data": 8 * BEAT_BYTES, "last": 1})
    label = {"label": max(1, (row.outputs - 1).bit_length())} if row.labelled else {}
    logits = data.ArrayLayout(signed(LOGIT_BITS), row.outputs)
    return data.StructLayout({"logits": logits, **label})


def result_stream(row: ResultRow) -> stream.Signature:
    """Stream of results, ``row.beats`` beats per sample."""
    return stream.Signature(result_layout(row))


def last_beat(results) -> Value:
    """Whether the last beat of a result is transferred in this cycle."""
    leaves = results.valid & results.ready
    members = results.payload.shape().members
    return leaves & results.payload.last if "last" in members else leaves


class Credits(wiring.Component):
    """Counts the samples that the consumer of a link still has room for.

    Parameters
    ----------
    frames: samples that the consumer can hold; the count never exceeds it.
    initial: count at reset; ``frames`` by default.

    Members
    -------
    take: a sample is started; only while ``available``.
    release: the consumer has freed a sample.
    available: a sample may start; includes every ``take`` and ``release`` up to the previous cycle.

    Raises
    ------
    ValueError: ``frames`` is below 1, or ``initial`` outside 0..``frames``.
    """

    take: Signal
    release: Signal
    available: Signal

    def __init__(self, frames: int, *, initial: int | None = None) -> None:
        if frames < 1:
            raise ValueError(f"credits need at least 1 frame, not {frames}")
        self.frames = frames
        self.initial = frames if initial is None else initial
        if not 0 <= self.initial <= frames:
            raise ValueError(f"credits start at {initial}, needs 0..{frames}")
        super().__init__({"take": In(1), "release": In(1), "available": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A unary count, because it is on the path that starts a sample: no adder, no comparator.
        held = Signal(self.frames, init=(1 << self.initial) - 1)
        m.d.comb += self.available.eq(held[0])
        with m.If(self.take & ~self.release):
            m.d.sync += held.eq(held >> 1)
        with m.Elif(self.release & ~self.take):
            m.d.sync += held.eq(Cat(1, held))
        if simulated(platform):
            self._check(m, held)
        return m

    def _check(self, m: Module, held: Signal) -> None:
        """Fail the simulation on a protocol violation; synthesis does not support assertions."""
        with m.If(self.take & ~self.release):
            m.d.sync += Assert(held[0], "sample started without a credit")
        with m.If(self.release & ~self.take):
            m.d.sync += Assert(~held[-1], "more frames released than exist")


def parameter_layout() -> data.StructLayout:
    """A beat of a parameter image: ``data`` (a 32-bit word, in file order) and ``last`` (of the
    image).
    """
    return data.StructLayout({"data": 32, "last": 1})


def parameter_stream() -> stream.Signature:
    """Stream of a parameter image, one 32-bit word per beat."""
    return stream.Signature(parameter_layout())
