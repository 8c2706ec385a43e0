"""Buffer of whole images in front of a gather layer."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.contract.arith import ACT_BITS
from hw.links import Credits
from hw.memory import LutRam


def check_beat(width: int, beat: int) -> None:
    """Raise ValueError unless beats of ``beat`` pixels make rows of ``width``, or the reverse."""
    if min(width, beat) < 1:
        raise ValueError(f"input frame: a beat of {beat} and a row of {width} pixels, need >= 1")
    if beat % width and width % beat:
        raise ValueError(
            f"input frame: a beat of {beat} pixels, needs a divisor or multiple of {width}"
        )


class InputFrame(wiring.Component):
    """Turns beats into image rows and keeps a few images.

    Rows lie in as many memories as a beat has rows, or a row has beats, so that a beat is written
    and a row is read in one cycle.

    Parameters
    ----------
    height, width: of an image of uint8 pixels.
    beat: pixels of a beat; divides the width, or is a multiple of it.
    images: images kept, >= 2 to read one while the next arrives.

    Members
    -------
    i: pixels, row by row, the first in the low bits. An image takes ``ceil(height * width / beat)``
        beats; what is left of the last one is ignored. Not ready while all images are in use.
    available: there is an image that was not taken.
    take: the next image is taken; only while ``available``.
    release: the oldest image taken is not needed any more; from the next cycle on rows are those of
        the one that follows.
    row: number of a row of the oldest image taken.
    o: its pixels, in the next cycle.

    Raises
    ------
    ValueError: a size below 1, or a beat that does not fit the width.
    """

    i: Any
    available: Signal
    take: Signal
    release: Signal
    row: Signal
    o: data.View

    def __init__(self, *, height: int, width: int, beat: int, images: int = 2) -> None:
        if min(height, images) < 1:
            raise ValueError(f"input frame: {images} images of {height} rows, need >= 1")
        check_beat(width, beat)
        self.height, self.width, self.beat, self.images = height, width, beat, images
        self.parts = max(1, width // beat)
        self.banks = max(1, beat // width)
        self.lines = -(-height // self.banks)
        super().__init__(
            {
                "i": In(stream.Signature(ACT_BITS * beat)),
                "available": Out(1),
                "take": In(1),
                "release": In(1),
                "row": In(range(height)),
                "o": Out(data.ArrayLayout(ACT_BITS, width)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.space = space = Credits(self.images)
        m.submodules.full = full = Credits(self.images, initial=0)
        line, part, taken = self._position(m)
        m.d.comb += [
            self.i.ready.eq(space.available),
            space.take.eq(taken),
            space.release.eq(self.release),
            full.release.eq(taken),
            full.take.eq(self.take),
            self.available.eq(full.available),
        ]
        writing, reading = Signal(range(self.images)), Signal(range(self.images))
        for image, advance in ((writing, taken), (reading, self.release)):
            with m.If(advance):
                m.d.sync += image.eq(Mux(image == self.images - 1, 0, image + 1))
        self._memories(m, part, Cat(line, writing), reading)
        return m

    def _position(self, m: Module) -> tuple[Signal, Signal, Value]:
        """Line and part that arrive; whether they are the last of an image and arrive now."""
        line, part = Signal(range(self.lines)), Signal(range(self.parts))
        over = part == self.parts - 1
        last = over & (line == self.lines - 1)
        beat = self.i.valid & self.i.ready
        with m.If(beat):
            m.d.sync += part.eq(Mux(over, 0, part + 1))
            with m.If(over):
                m.d.sync += line.eq(Mux(last, 0, line + 1))
        return line, part, beat & last

    def _memories(self, m: Module, part: Value, to: Value, image: Value) -> None:
        """Memory ``(bank, part)`` holds a part of every row ``line * banks + bank``."""
        pixels = min(self.beat, self.width)
        depth = self.images << (self.lines - 1).bit_length()
        where = [divmod(row, self.banks) for row in range(self.height)]
        line = Array(C(line, range(self.lines)) for line, _ in where)[self.row]
        bank = Array(C(bank, range(self.banks)) for _, bank in where)[self.row]
        rows: list[Value] = []
        for number in range(self.banks):
            parts: list[Value] = []
            for at in range(self.parts):
                ram = LutRam(ACT_BITS * pixels, depth)
                m.submodules[f"ram{number}_{at}"] = ram
                m.d.comb += [
                    ram.write_en.eq(self.i.valid & self.i.ready & (part == at)),
                    ram.write_address.eq(to),
                    ram.write_data.eq(self.i.payload.word_select(number, ACT_BITS * pixels)),
                    ram.address[0].eq(Cat(line, image)),
                ]
                parts.append(Value.cast(ram.data[0]))
            rows.append(Cat(*parts))
        o = Signal(self.o.shape(), reset_less=True)
        m.d.sync += Value.cast(o).eq(Array(rows)[bank])
        m.d.comb += self.o.eq(o)
