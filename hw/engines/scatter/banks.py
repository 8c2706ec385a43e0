"""Banks of winner lists, and the multiplexers through which readers access them."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.contract.folding import ScatterPlan
from twofold.hw.engines.links import PixelLink, entry_layout
from twofold.hw.engines.scatter.routing import NOTHING, Routing, routing
from twofold.hw.engines.scatter.sequencer import walk_layout
from twofold.hw.primitives.choice import picked
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.memory import LutRam, Style
from twofold.hw.primitives.rom import looked_up
from twofold.hw.primitives.tile import simulated

VALUE = data.StructLayout({"value": ACT_BITS})
LUT_RAM_DEPTH = 64
"""Whole lists of up to this many entries are kept in LUTs."""


def reader_layout(plan: ScatterPlan) -> data.StructLayout:
    """What a reader sees of an entry; where rows are shared, the channel follows from the walk."""
    return VALUE if plan.shares_rows else entry_layout(plan.stage.in_shape[0])


def bank_style(plan: ScatterPlan, frames: int) -> Style:
    """Memory style of the lists.

    A block memory is wide and shallow, which suits whole lists: there all readers together use only
    a few addresses at a time.
    """
    depth = frames * plan.source.passes * plan.stage.in_k
    return "block" if plan.shares_rows and depth > LUT_RAM_DEPTH else "distributed"


def ports_by_generator(found: Routing) -> dict[int, list[int]]:
    """Ports that share an address, by the index of the address generator."""
    shared: dict[int, list[int]] = {}
    for index, port in enumerate(found.ports):
        shared.setdefault(port.generator, []).append(index)
    return shared


class PixelBanks(wiring.Component):
    """Stores the winner lists of several samples, and gives every reader its entry of each step.

    There is one bank per producer tile; all are written together, in the order in which lists
    arrive. Readers are connected to them as enumerated by `twofold.hw.engines.scatter.routing`.

    Parameters
    ----------
    plan: the layer, behind a convolution.
    frames: samples kept.

    Members
    -------
    i: winner lists; a frame is released with the last read from it.
    complete: a frame that has not been taken will be complete by the time it is read: the lists of
        its last pass arrive without a gap, and no entry is read before it has arrived.
    take: a sample starts on the oldest such frame; only while ``complete``.
    walk: step of that sample, from the next cycle on (see
        `twofold.hw.engines.scatter.sequencer.walk_layout`).
    entries: for each tile, position and engine: the winner it looks up; value 0 where there is no
        step, or no tap left for the engine. `LATENCY` cycles after ``walk``.

    Latency: fixed; one step per cycle.

    Raises FoldingError when the banks cannot serve the readers.
    """

    LATENCY = 4

    i: Any
    complete: Signal
    take: Signal
    walk: Any
    entries: Any

    def __init__(self, plan: ScatterPlan, frames: int) -> None:
        self.plan, self.frames = plan, frames
        self.routing: Routing = routing(plan)
        self.entry = reader_layout(plan)
        self.beats = plan.source.passes * plan.stage.in_k
        # Lists of chosen winners arrive one entry per cycle, and are walked in the same order.
        chosen = plan.stage.in_k < plan.stage.in_shape[0]
        self.enough = self.beats - plan.stage.in_k if chosen else self.beats - 1
        tiles = plan.source.folding.rows * plan.source.folding.cols
        super().__init__(
            {
                "i": In(PixelLink(tiles, plan.stage.in_shape[0])),
                "complete": Out(1),
                "take": In(1),
                "walk": In(walk_layout(plan)),
                "entries": Out(data.ArrayLayout(self.entry, len(self.routing.readers))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        at = self._write_address(m, check=simulated(platform))
        addresses = self._read_addresses(m)
        found = self._banks(m, at, addresses)
        selects = [
            delayed(
                m, self._table(m, f"select{index}", choices), 2, name=f"select{index}", wide=True
            )
            for index, choices in enumerate(self.routing.selects)
        ]
        live = self._live(m)
        padding = self.entry.const({"value": self.plan.stage.zero}).as_value()
        for number, (reader, entry) in enumerate(
            zip(self.routing.readers, self.entries, strict=True)
        ):
            register = Signal(self.entry, name=f"entry{number}")
            chosen = Signal(self.entry, name=f"chosen{number}")
            sources = [
                padding if source == NOTHING else found[source].as_value()
                for source in reader.sources
            ]
            choice = picked(m, sources, selects[reader.select], name=f"picked{number}")
            m.d.comb += chosen.eq(choice)
            if not self.plan.shares_rows:
                m.d.sync += register.index.eq(chosen.index)
            m.d.sync += register.value.eq(Mux(live[number % len(live)], chosen.value, 0))
            m.d.comb += entry.eq(register)
        return m

    def _write_address(self, m: Module, *, check: bool) -> Value:
        """Write address of this cycle's beat; also counts the frames that may be read.

        With ``check``, a simulation fails when the producer exceeds its credits.
        """
        at, beat = Signal(range(self.frames * self.beats)), Signal(range(self.beats))
        waiting = Signal(range(self.frames + 1))
        wraps = beat == self.beats - 1
        with m.If(self.i.valid):
            m.d.sync += beat.eq(Mux(wraps, 0, beat + 1))
            m.d.sync += at.eq(Mux(at == self.frames * self.beats - 1, 0, at + 1))
        done = self.i.valid & (beat == self.enough)
        with m.If(done & ~self.take):
            m.d.sync += waiting.eq(waiting + 1)
            if check:
                m.d.sync += Assert(waiting != self.frames, "a list arrived without a free frame")
        with m.Elif(self.take & ~done):
            m.d.sync += waiting.eq(waiting - 1)
        m.d.comb += self.complete.eq(waiting != 0)
        return at

    def _read_addresses(self, m: Module) -> list[Value]:
        """Address of every generator, two cycles after the walk; also releases finished frames."""
        base = Signal(range(self.frames * self.beats))
        near = Signal(range(self.frames * self.beats), reset_less=True)
        m.d.sync += near.eq(base + self.walk.entry)
        with m.If(self.walk.final):
            last = base == (self.frames - 1) * self.beats
            m.d.sync += base.eq(Mux(last, 0, base + self.beats))
        m.d.comb += self.i.release.eq(delayed(m, self.walk.final, 2, name="release", reset=True))
        addresses: list[Value] = []
        for index, passes in enumerate(self.routing.generators):
            offset = self._table(
                m, f"offset{index}", [number * self.plan.stage.in_k for number in passes]
            )
            address = Signal.like(near, name=f"address{index}", reset_less=True)
            m.d.sync += address.eq(near + offset)
            addresses.append(address)
        return addresses

    def _table(self, m: Module, name: str, values: Sequence[int]) -> Value:
        """The element of ``values`` for the place of the walk one cycle earlier."""
        return looked_up(m, name, values, self.walk.place)

    def _banks(self, m: Module, at: Value, addresses: Sequence[Value]) -> list[Any]:
        """The entry at every port, three cycles after the walk."""
        if bank_style(self.plan, self.frames) == "block":
            return self._wide_banks(m, at, addresses)
        found: list[Any] = []
        by_bank: dict[int, list[int]] = {}
        for index, port in enumerate(self.routing.ports):
            by_bank.setdefault(port.bank, []).append(index)
        for bank, ports in by_bank.items():
            depth = self.frames * self.beats
            m.submodules[f"bank{bank}"] = ram = LutRam(self.entry, depth, len(ports))
            m.d.comb += [
                ram.write_en.eq(self.i.valid),
                ram.write_address.eq(at),
                *self._kept(ram.write_data, self.i.payload[bank]),
            ]
            for read, index in enumerate(ports):
                entry = Signal(self.entry, name=f"found{index}", reset_less=True)
                m.d.comb += ram.address[read].eq(addresses[self.routing.ports[index].generator])
                m.d.sync += entry.eq(ram.data[read])
                found.append(entry)
        return found

    def _wide_banks(self, m: Module, at: Value, addresses: Sequence[Value]) -> list[Any]:
        """The same from block memories: all ports of a generator are side by side in one memory."""
        found: dict[int, Any] = {}
        for index, ports in ports_by_generator(self.routing).items():
            layout = data.ArrayLayout(self.entry, len(ports))
            m.submodules[f"banks{index}"] = ram = memory.Memory(
                shape=layout, depth=self.frames * self.beats, init=[], attrs={"ram_style": "block"}
            )
            write, read = ram.write_port(), ram.read_port()
            m.d.comb += [
                write.en.eq(self.i.valid),
                write.addr.eq(at),
                read.addr.eq(addresses[index]),
            ]
            for place, port in enumerate(ports):
                entry = self.i.payload[self.routing.ports[port].bank]
                m.d.comb += self._kept(write.data[place], entry)
                found[port] = read.data[place]
        return [found[port] for port in range(len(self.routing.ports))]

    def _kept(self, kept: Any, entry: Any) -> list[Any]:
        """Assignments of the stored fields of an entry."""
        return [kept[name].eq(entry[name]) for name in self.entry.members]

    def _live(self, m: Module) -> list[Value]:
        """For every engine, whether it had a tap at the step three cycles earlier."""
        spans = self.plan.spans
        by_length = {
            length: delayed(
                m,
                self.walk.active & (self.walk.tap < length),
                self.LATENCY - 1,
                name=f"live{length}",
                reset=True,
            )
            for length in sorted(set(map(len, spans)))
        }
        return [by_length[len(span)] for span in spans]
