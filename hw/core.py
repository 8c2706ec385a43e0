"""The core: every stage of a network chained on streams, from image beats to results."""

from collections.abc import Iterator, Sequence
from typing import Any

from amaranth.hdl import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.contract.arith import ACT_BITS
from hw.contract.folding import Folding, GatherPlan, Plan, ScatterPlan, plans
from hw.contract.identity import fingerprint
from hw.contract.image import ImageStatus
from hw.contract.network import Conv2d, Network
from hw.gather.stage import GatherStage
from hw.links import ConfigBus, entry_layout, image_stream, result_stream, winner_layout
from hw.loader import ImageLoader
from hw.result import Result
from hw.scatter.stage import ScatterStage
from hw.winners.vector import GlobalWinners


def tiles_of(plan: Plan) -> int:
    """Tiles of a convolution: entries in a beat of its `PixelLink`."""
    return plan.folding.rows * plan.folding.cols


def probe_layouts(found: Sequence[Plan]) -> list[data.Layout]:
    """What the probe behind each layer but the last observes: a beat of its pixel lists or of its
    winner stream.
    """
    layouts: list[data.Layout] = []
    for plan in found[:-1]:
        channels = plan.stage.channels
        if isinstance(plan, ScatterPlan) and not isinstance(plan.stage.layer, Conv2d):
            layouts.append(winner_layout(channels, plan.emit))
        else:
            layouts.append(data.ArrayLayout(entry_layout(channels), tiles_of(plan)))
    return layouts


class Core(wiring.Component):
    """The machine for a network and folding, without weights; pure streams.

    Words and images must not overlap: an image is sent while every word that was taken has given
    its result.

    Parameters
    ----------
    network, folding: what to build; weights come with the packed image.
    probes: add observation outputs behind every layer but the last, and nothing else.

    Members
    -------
    image: packed image, 32-bit words in file order, ``last`` with the final one.
    busy: an image is being read; ``status`` is valid while this is low.
    status: `hw.contract.image.ImageStatus` of the last image.
    i: pixels, row after row, ``input_bytes`` a beat, the first in the low byte. Taken only while
        the status is OK.
    o: a result for each word, in order.
    probe_<layer>: with ``probes``: ``valid`` and ``payload``, the beats that leave the layer (see
        `probe_layouts`).

    Latency and throughput follow from shape and folding (`hw.contract.folding`), never from the
    data.

    Raises
    ------
    FoldingError: the folding does not fit the network, or an engine cannot serve it.
    """

    image: Any
    busy: Signal
    status: Any
    i: Any
    o: Any

    def __init__(self, network: Network, folding: Folding, *, probes: bool = False) -> None:
        self.network = network
        self.folding = folding
        self.plans = plans(network, folding)
        self.probes = probes
        ports = {
            "image": In(image_stream()),
            "busy": Out(1),
            "status": Out(ImageStatus),
            "i": In(stream.Signature(ACT_BITS * folding.input_bytes)),
            "o": Out(result_stream(len(network.labels))),
        }
        if probes:
            for index, layout in enumerate(probe_layouts(self.plans)):
                ports[f"probe_{index}"] = Out(_probe(layout))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loader = loader = ImageLoader(
            self.plans, fingerprint(self.network, self.folding)
        )
        connect(m, flipped(self.image), loader.i)
        m.d.comb += [self.busy.eq(loader.busy), self.status.eq(loader.status)]
        config = loader.config
        link = self._gate(m, loader)
        for stage, tail in self._stages():
            plan = stage.plan
            m.submodules[plan.stage.name] = stage
            connect(m, link, stage.i)
            config = _registered(m, config)
            _copy(m, config, stage.config)
            link = stage.o
            if tail is not None:
                m.submodules[f"{plan.stage.name}_{'result' if plan.stage.last else 'winners'}"] = (
                    tail
                )
                connect(m, stage.o, tail.i)
                link = tail.o
            if self.probes and not plan.stage.last:
                self._observe(m, link, getattr(self, f"probe_{plan.stage.index}"))
        connect(m, link, flipped(self.o))
        return m

    def _gate(self, m: Module, loader: ImageLoader):
        """Pixels, as long as there is a good image in the machine."""
        gated = stream.Signature(ACT_BITS * self.folding.input_bytes).create()
        opened = Signal()
        m.d.comb += [
            opened.eq(~loader.busy & (loader.status == ImageStatus.OK)),
            gated.payload.eq(self.i.payload),
            gated.valid.eq(self.i.valid & opened),
            self.i.ready.eq(gated.ready & opened),
        ]
        return gated

    def _stages(self) -> Iterator[tuple[GatherStage | ScatterStage, GlobalWinners | Result | None]]:
        """Every stage, with its global winners or the result where it has no pixel link."""
        frames = self.folding.frames
        for plan in self.plans:
            stage, drain = plan.stage, plan.folding.drain if isinstance(plan, ScatterPlan) else 1
            if isinstance(plan, GatherPlan):
                yield GatherStage(plan, input_bytes=self.folding.input_bytes, credits=frames), None
            elif stage.last:
                result = Result(stage.channels, drain)
                yield ScatterStage(plan, frames=frames, credits=Result.WORDS), result
            elif isinstance(stage.layer, Conv2d):
                yield ScatterStage(plan, frames=frames, credits=frames), None
            else:
                winners = GlobalWinners(stage.channels, drain, stage.k, plan.emit)
                yield ScatterStage(plan, frames=frames, credits=GlobalWinners.WORDS), winners

    def _observe(self, m: Module, link, probe) -> None:
        seen = link.valid & link.ready if hasattr(link, "ready") else link.valid
        m.d.comb += [probe.valid.eq(seen), probe.payload.eq(link.payload)]


def _probe(layout: ShapeLike) -> wiring.Signature:
    return wiring.Signature({"valid": Out(1), "payload": Out(layout)})


def _registered(m: Module, bus):
    """The bus one cycle later."""
    later = ConfigBus().create()
    for path, _, value in ConfigBus().flatten(bus):
        m.d.sync += getattr(later, str(path[0])).eq(value)
    return later


def _copy(m: Module, bus, port) -> None:
    for path, _, value in ConfigBus().flatten(bus):
        m.d.comb += getattr(port, str(path[0])).eq(value)
