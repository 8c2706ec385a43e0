"""Queues without back-pressure at the input: the producer counts what is inside."""

from typing import Any, ClassVar

from amaranth.hdl import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.memory import LutRam, TableRam
from twofold.hw.primitives.tile import simulated


class _CountedQueue(wiring.Component):
    """Ports and limits of a queue whose producer counts the elements inside."""

    DEPTH_MIN: ClassVar[int]

    valid: Signal
    payload: Any
    o: Any

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        if depth < self.DEPTH_MIN:
            raise ValueError(f"queue: depth is {depth}, needs >= {self.DEPTH_MIN}")
        self.shape, self.depth = shape, depth
        super().__init__({"valid": In(1), "payload": In(shape), "o": Out(stream.Signature(shape))})

    def _check(self, m: Module, take: Value) -> None:
        """Make a simulation fail on overflow; synthesis does not support assertions."""
        level = Signal(range(self.depth + 1))
        m.d.sync += [
            level.eq(level + self.valid - take),
            Assert(~self.valid | take | (level != self.depth), "queue: overflow"),
        ]


class Queue(_CountedQueue):
    """A FIFO in LUT memory with an output register.

    The producer never puts more than ``depth`` elements into it. It counts them, as with
    `twofold.hw.engines.links.Credits`, so that nothing between producer and queue has to stall.

    Parameters
    ----------
    shape: shape of an element.
    depth: elements, >= 1.

    Members
    -------
    valid, payload: an element enters.
    o: stream of elements that leave.

    Latency: `LATENCY` cycles through an empty queue; one element per cycle.

    Raises ValueError for a depth below 1.
    """

    DEPTH_MIN = 1
    LATENCY = 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pointer_bits = max(1, (self.depth - 1).bit_length())
        m.submodules.ram = ram = LutRam(Shape.cast(self.shape).width, 1 << pointer_bits)
        head, tail = Signal(pointer_bits), Signal(pointer_bits)
        some = Signal()  # the memory is not empty; registered, because the output depends on it
        take = Signal()
        m.d.comb += [
            ram.write_en.eq(self.valid),
            ram.write_address.eq(tail),
            ram.write_data.eq(self.payload),
            ram.address[0].eq(head),
            take.eq(some & (~self.o.valid | self.o.ready)),
        ]
        # One element in memory; marked ``keep``, or synthesis would merge it with ``take``.
        lone = Signal(attrs={"keep": 1})
        m.d.comb += lone.eq((head + 1)[:pointer_bits] == tail)
        m.d.sync += some.eq(self.valid | (some & ~(take & lone)))
        with m.If(self.valid):
            m.d.sync += tail.eq(tail + 1)
        with m.If(take):
            m.d.sync += head.eq(head + 1)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [self.o.valid.eq(some), Value.cast(self.o.payload).eq(ram.data[0])]
        if simulated(platform):
            self._check(m, take)
        return m


class DeepQueue(_CountedQueue):
    """A FIFO in block memory: a `Queue` for more elements.

    The memory's output goes through a small queue, which hides the read latency.

    Parameters
    ----------
    shape: shape of an element.
    depth: elements in memory, >= 2; at least that many always fit.

    Members
    -------
    valid, payload: an element enters.
    o: stream of elements that leave.

    Latency: `LATENCY` cycles through an empty queue; one element per cycle.

    Raises ValueError for a depth below 2.
    """

    DEPTH_MIN = 2
    LATENCY = 1 + TableRam.LATENCY + Queue.LATENCY
    SHALLOW = 64
    """Depth up to which a `Queue` is the better choice."""
    AHEAD = 8
    """Elements read ahead: at least the cycles from a read until its place can be reused."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ram = ram = TableRam(Shape.cast(self.shape).width, self.depth)
        m.submodules.ahead = ahead = Queue(self.shape, self.AHEAD)
        head, tail = Signal(range(self.depth)), Signal(range(self.depth))
        following = Signal.like(head, name="following", init=1)  # the address after ``head``
        some, room = Signal(), Signal(self.AHEAD, init=(1 << self.AHEAD) - 1)
        take, leaves = Signal(), Signal()
        m.d.comb += [
            ram.write_en.eq(self.valid),
            ram.write_address.eq(tail),
            ram.write_data.eq(self.payload),
            ram.address[0].eq(head),
            take.eq(some & room[0]),
            leaves.eq(self.o.valid & self.o.ready),
            ahead.valid.eq(delayed(m, take, TableRam.LATENCY, name="arrives", reset=True)),
            ahead.payload.eq(ram.data[0]),
            self.o.valid.eq(ahead.o.valid),
            self.o.payload.eq(ahead.o.payload),
            ahead.o.ready.eq(self.o.ready),
        ]
        m.d.sync += some.eq(self.valid | (some & ~(take & (following == tail))))
        with m.If(self.valid):
            m.d.sync += tail.eq(Mux(tail == self.depth - 1, 0, tail + 1))
        with m.If(take):
            m.d.sync += [
                head.eq(following),
                following.eq(Mux(following == self.depth - 1, 0, following + 1)),
            ]
        with m.If(take & ~leaves):
            m.d.sync += room.eq(room >> 1)
        with m.Elif(leaves & ~take):
            m.d.sync += room.eq(Cat(1, room))
        if simulated(platform):
            self._check(m, take)
        return m
