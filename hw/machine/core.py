"""The core: all stages of a network chained by streams, from image beats to results."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import Folding, Plan, plans
from twofold.hw.contract.network import Network
from twofold.hw.contract.parameters import ParameterStatus, check_image_fits
from twofold.hw.contract.regs import COUNTER_BITS
from twofold.hw.contract.results import result_row
from twofold.hw.engines.links import (
    SIDES,
    ConfigBus,
    last_beat,
    parameter_stream,
    result_stream,
)
from twofold.hw.machine.counters import NUMBERS, Counters
from twofold.hw.machine.loader import ParameterLoader
from twofold.hw.machine.stages import Part, part_of, probe_layout

SAMPLES_BITS = 16
"""Wide enough to count more samples than fit into any machine."""


def probe_layouts(found: Sequence[Plan]) -> list[data.Layout]:
    """What the probe behind each layer but the last observes (see
    `twofold.hw.machine.stages.probe_layout`).
    """
    return [probe_layout(plan) for plan in found[:-1]]


class Core(wiring.Component):
    """The machine for a network and folding, without weights; pure streams.

    Samples and parameter images do not overlap: while an image waits no sample is started, and the
    image is accepted once every started sample has produced its result. A sample that was started
    must be sent completely.

    Parameters
    ----------
    network, folding: what to build; the weights come with the parameter image.
    probes: add observation outputs behind every layer but the last, and nothing else.
    counters: count what the engines do.

    Members
    -------
    parameters: parameter image, 32-bit words in file order, ``last`` with the final one.
    busy: an image is being read; ``status`` is valid while this is deasserted.
    status: `twofold.hw.contract.parameters.ParameterStatus` of the last image.
    i: pixels, row after row, ``input_bytes`` per beat, the first in the low byte. Accepted only
        while the status is OK.
    o: one result per sample, in order, in one or more beats (see
        `twofold.hw.engines.links.result_layout`).
    counter_number, counter_total: with ``counters``, see `twofold.hw.machine.counters.Counters`.
    probe_<layer>: with ``probes``: ``valid`` and ``payload``, the beats that leave the layer (see
        `probe_layouts`).

    Latency and throughput follow from shape and folding (`twofold.hw.contract.folding`), never from
    the data.

    Raises
    ------
    FoldingError: the folding does not fit the network, or an engine cannot serve it.
    """

    parameters: Any
    busy: Signal
    status: Any
    i: Any
    o: Any
    counter_number: Signal
    counter_total: Signal

    def __init__(
        self, network: Network, folding: Folding, *, probes: bool = False, counters: bool = True
    ) -> None:
        self.network = network
        self.folding = folding
        self.plans = plans(network, folding)
        check_image_fits(self.plans)
        self.probes, self.counters = probes, counters
        ports: dict[str, wiring.Member] = {
            "parameters": In(parameter_stream()),
            "busy": Out(1),
            "status": Out(ParameterStatus),
            "i": In(stream.Signature(ACT_BITS * folding.input_bytes)),
            "o": Out(result_stream(result_row(network))),
        }
        if counters:
            ports["counter_number"] = In(range(NUMBERS))
            ports["counter_total"] = Out(COUNTER_BITS)
        if probes:
            for index, layout in enumerate(probe_layouts(self.plans)):
                ports[f"probe_{index}"] = Out(_probe(layout))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loader = loader = ParameterLoader(
            self.plans, fingerprint(self.network, self.folding)
        )
        m.d.comb += [self.busy.eq(loader.busy), self.status.eq(loader.status)]
        config = loader.config
        closed, inside = self._gates(m, loader)
        counters = Counters(self.plans) if self.counters else None
        if counters is not None:
            m.submodules.counters = counters
            m.d.comb += [
                counters.working.eq(inside),
                counters.number.eq(self.counter_number),
                self.counter_total.eq(counters.total),
            ]
        links = {-1: [flipped(self.i)]}
        for part in (part_of(plan, self.network, self.folding) for plan in self.plans):
            plan, stage = part.plan, part.stage
            if plan.stage.index == 0:
                m.d.comb += stage.closed.eq(closed)
            m.submodules[plan.stage.name] = stage
            for name, source in zip(SIDES, plan.stage.sources, strict=False):
                connect(m, links[source].pop(0), getattr(stage, name))
            config = _registered(m, config)
            _copy(m, config, stage.config)
            link = stage.o
            if part.tail is not None:
                name, tail = part.tail
                m.submodules[f"{plan.stage.name}_{name}"] = tail
                connect(m, stage.o, tail.i)
                link = tail.o
            links[plan.stage.index] = self._forked(m, part, link)
            if self.probes and not plan.stage.last:
                self._observe(m, link, getattr(self, f"probe_{plan.stage.index}"))
            if counters is not None and plan in counters.plans:
                _count(m, counters, part, link)
        connect(m, links[len(self.plans) - 1].pop(), flipped(self.o))
        return m

    def _forked(self, m: Module, part: Part, link: Any) -> list[Any]:
        """The link to each reader of a layer."""
        if part.fork is None:
            return [link]
        m.submodules[f"{part.plan.stage.name}_fork"] = part.fork
        connect(m, link, part.fork.i)
        return part.fork.outputs

    def _gates(self, m: Module, loader: ParameterLoader) -> tuple[Value, Value]:
        """Admit either samples or a parameter image; returns ``closed`` (samples are blocked) and
        ``inside`` (there are samples in the machine).

        Samples may be started only in state OPEN. An image that arrives closes the gate, and is
        accepted once the machine is empty.
        """
        may_begin, loading, opens, closes = Signal(), Signal(), Signal(), Signal()
        inside, begins = self._inside(m)
        # Registered, because it is on the critical path of every beat.
        closed = Signal(init=1)
        m.d.sync += [
            may_begin.eq((may_begin | opens) & ~closes),
            closed.eq(~((may_begin | opens) & ~closes | begins)),
        ]
        m.d.comb += [
            loader.i.payload.eq(self.parameters.payload),
            loader.i.valid.eq(self.parameters.valid & loading),
            self.parameters.ready.eq(loader.i.ready & loading),
        ]
        with m.FSM(init="CLOSED"):
            with m.State("CLOSED"), m.If(self.parameters.valid & ~inside):
                m.d.sync += loading.eq(1)
                m.next = "LOAD"
            done = self.parameters.valid & self.parameters.ready & self.parameters.payload.last
            with m.State("LOAD"), m.If(done):
                m.d.sync += loading.eq(0)
                m.next = "CHECK"
            with m.State("CHECK"), m.If(~loader.busy):
                m.next = "CLOSED"
                with m.If(loader.status == ParameterStatus.OK):
                    m.d.comb += opens.eq(1)
                    m.next = "OPEN"
            with m.State("OPEN"), m.If(self.parameters.valid):
                m.d.comb += closes.eq(1)
                m.next = "CLOSED"
        return closed, inside

    def _inside(self, m: Module) -> tuple[Value, Value]:
        """Whether samples are inside, and whether the last is incomplete in the next cycle."""
        channels, height, width = self.network.input_shape
        beats = -(-channels * height * width // self.folding.input_bytes)
        samples, beat = Signal(SAMPLES_BITS), Signal(range(max(2, beats)))
        begun, inside, begins, ends = Signal(), Signal(), Signal(), Signal()
        begun_next = Signal()
        taken = self.i.valid & self.i.ready
        last = Signal(init=int(beats == 1))  # last ``beat``; registered, as it drives the gate
        m.d.comb += [
            begins.eq(taken & ~begun),
            ends.eq(last_beat(self.o)),
            begun_next.eq(Mux(taken, ~last, begun)),
        ]
        m.d.sync += begun.eq(begun_next)
        with m.If(taken):
            m.d.sync += beat.eq(Mux(last, 0, beat + 1))
            if beats > 1:
                m.d.sync += last.eq(beat == beats - 2)
        with m.If(begins & ~ends):
            m.d.sync += [samples.eq(samples + 1), inside.eq(1)]
        with m.Elif(ends & ~begins):
            m.d.sync += [samples.eq(samples - 1), inside.eq(samples != 1)]
        return inside, begun_next

    def _observe(self, m: Module, link, probe) -> None:
        seen = link.valid & link.ready if hasattr(link, "ready") else link.valid
        m.d.comb += [probe.valid.eq(seen), probe.payload.eq(link.payload)]


def _probe(layout: ShapeLike) -> wiring.Signature:
    return wiring.Signature({"valid": Out(1), "payload": Out(layout)})


def _count(m: Module, counters: Counters, part: Part, link: Any) -> None:
    """Connect the activity of a stage, and the entries that leave it, to the counters."""
    stage, index = part.stage, part.plan.stage.index
    m.d.comb += [
        getattr(counters, f"activity{index}").eq(stage.activity),
        getattr(counters, f"lookups{index}").eq(stage.lookups),
    ]
    if part.plan.stage.last:
        return
    streamed = hasattr(link, "ready")
    leaves = link.valid & link.ready if streamed else link.valid
    entries = link.payload.winners if streamed else link.payload
    m.d.comb += [
        getattr(counters, f"entries{index}")[at].eq(leaves & entry.value.any())
        for at, entry in enumerate(entries)
    ]


def _registered(m: Module, bus):
    """The bus one cycle later."""
    later = ConfigBus().create()
    for path, _, value in ConfigBus().flatten(bus):
        m.d.sync += getattr(later, str(path[0])).eq(value)
    return later


def _copy(m: Module, bus, port) -> None:
    for path, _, value in ConfigBus().flatten(bus):
        m.d.comb += getattr(port, str(path[0])).eq(value)
