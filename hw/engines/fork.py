"""Fork: the lists of one layer for several readers."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.engines.links import PixelLink


class Fork(wiring.Component):
    """Sends the lists of a layer to each of its readers, and frees a frame when all of them have.

    Readers may have room for different numbers of samples: the layer starts with credits for the
    smallest, and what a reader has beyond that counts as freed from the beginning.

    Parameters
    ----------
    tiles, channels: of the layer, as for `twofold.hw.engines.links.PixelLink`.
    frames: for each reader, the samples that it has room for.

    Members
    -------
    i: from the layer.
    o0, o1, ...: to the readers.

    Latency: none. Raises ValueError for fewer than two readers.
    """

    i: Any

    def __init__(self, tiles: int, channels: int, frames: Sequence[int]) -> None:
        if len(frames) < 2:
            raise ValueError(f"fork: {len(frames)} readers, needs at least 2")
        self.frames = tuple(frames)
        link = PixelLink(tiles, channels)
        super().__init__({"i": In(link)} | {f"o{at}": Out(link) for at in range(len(frames))})

    @property
    def outputs(self) -> list[Any]:
        """The links to the readers, in order."""
        return [getattr(self, f"o{at}") for at in range(len(self.frames))]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        least = min(self.frames)
        freed: list[Value] = []
        for at, (link, frames) in enumerate(zip(self.outputs, self.frames, strict=True)):
            m.d.comb += [link.valid.eq(self.i.valid), link.payload.eq(self.i.payload)]
            # Frames that this reader has freed and others have not.
            ahead = Signal(range(frames + 1), init=frames - least, name=f"ahead{at}")
            m.d.sync += ahead.eq(ahead + link.release - self.i.release)
            freed.append((ahead != 0) | link.release)
        m.d.comb += self.i.release.eq(Cat(freed).all())
        return m
