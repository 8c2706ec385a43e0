"""Buffer of whole images in front of a gather layer."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.engines.links import Credits
from twofold.hw.primitives.memory import LutRam


def check_beat(width: int, beat: int) -> None:
    """Raise ValueError unless ``beat`` pixels divide a row of ``width``, or are a multiple."""
    if min(width, beat) < 1:
        raise ValueError(f"input frame: a beat of {beat} and a row of {width} pixels, need >= 1")
    if beat % width and width % beat:
        raise ValueError(
            f"input frame: a beat of {beat} pixels, needs a divisor or multiple of {width}"
        )


@dataclass(frozen=True, kw_only=True)
class FrameShape:
    """How image rows are laid out in memories: lines of ``banks`` rows, in ``parts`` beats each."""

    height: int
    width: int
    beat: int

    @property
    def parts(self) -> int:
        """Beats per row."""
        return max(1, self.width // self.beat)

    @property
    def banks(self) -> int:
        """Rows per beat."""
        return max(1, self.beat // self.width)

    @property
    def lines(self) -> int:
        """Lines per image."""
        return -(-self.height // self.banks)

    @property
    def beats(self) -> int:
        """Beats per image."""
        return -(-self.height * self.width // self.beat)

    def line_of(self, row: int) -> int:
        """Line in which a row arrives; rows beyond the last one count as the last."""
        return min(row, self.height - 1) // self.banks


class InputFrame(wiring.Component):
    """Converts beats into image rows and buffers a few images.

    There are as many memories as a beat has rows, or a row has beats, so that a beat is written and
    a row is read in one cycle. Rows can be read as soon as they have arrived.

    Parameters
    ----------
    height, width: of an image of uint8 pixels.
    beat: pixels per beat; divides the width, or is a multiple of it.
    images: images buffered, >= 2 to read one while the next arrives.
    reads: rows read at a time.
    steady: ``arrived`` is not used in the first cycle of a ``line``, so lines are compared a cycle
        ahead.

    Members
    -------
    i: pixels, row by row, the first in the low bits. An image takes ``ceil(height * width / beat)``
        beats; unused bytes of the last one are ignored. Not ready while all images are in use.
    closed: no beat is accepted.
    release: the oldest image is no longer needed; only once all of it has arrived. From the next
        cycle on, rows are those of the image after it.
    line: number of a line (see `FrameShape.line_of`).
    arrived: from the next cycle on, that line of the image that is then the oldest can be read, and
        so can all lines before it.
    rows: row numbers in the oldest image.
    o: pixels of those rows, one cycle later.

    Raises
    ------
    ValueError: a size below 1, or a beat that does not fit the width.
    """

    i: Any
    closed: Signal
    release: Signal
    line: Signal
    arrived: Signal
    rows: data.View
    o: data.View

    def __init__(
        self, *, height: int, width: int, beat: int, images: int = 2, reads: int = 1,
        steady: bool = False,
    ) -> None:  # fmt: skip
        if min(height, images) < 1:
            raise ValueError(f"input frame: {images} images of {height} rows, need >= 1")
        check_beat(width, beat)
        self.height, self.width, self.beat, self.images = height, width, beat, images
        self.reads, self.steady = reads, steady
        self.geometry = shape = FrameShape(height=height, width=width, beat=beat)
        self.parts, self.banks, self.lines = shape.parts, shape.banks, shape.lines
        super().__init__(
            {
                "i": In(stream.Signature(ACT_BITS * beat)),
                "closed": In(1),
                "release": In(1),
                "line": In(range(self.lines)),
                "arrived": Out(1),
                "rows": In(data.ArrayLayout(Shape.cast(range(height)), reads)),
                "o": Out(data.ArrayLayout(data.ArrayLayout(ACT_BITS, width), reads)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.space = space = Credits(self.images)
        line, part, taken, ahead = self._position(m)
        m.d.comb += [
            self.i.ready.eq(space.available & ~self.closed),
            space.take.eq(taken),
            space.release.eq(self.release),
        ]
        whole = Signal(self.images + 1)  # unary count of complete images
        with m.If(taken & ~self.release):
            m.d.sync += whole.eq(Cat(1, whole))
        with m.Elif(self.release & ~taken):
            m.d.sync += whole.eq(whole >> 1)
        some = Mux(self.release, whole[1], whole[0])
        none = Mux(self.release, whole[:2] == 1, ~whole[0])
        m.d.comb += self.arrived.eq(some | (none & ahead))
        writing, reading = Signal(range(self.images)), Signal(range(self.images))
        for image, advance in ((writing, taken), (reading, self.release)):
            with m.If(advance):
                m.d.sync += image.eq(Mux(image == self.images - 1, 0, image + 1))
        self._memories(m, part, Cat(line, writing), reading)
        return m

    def _position(self, m: Module) -> tuple[Signal, Signal, Value, Value]:
        """Line and part of the next beat; whether the last beat of an image is accepted now, and
        whether the beat is behind the line asked for.
        """
        line, part = Signal(range(self.lines)), Signal(range(self.parts))
        wraps = part == self.parts - 1
        last = Signal(init=int(self.lines * self.parts == 1))  # registered: drives the credits
        beat = self.i.valid & self.i.ready
        with m.If(beat):
            if self.lines * self.parts > 1:
                before_line, before_part = divmod(self.lines * self.parts - 2, self.parts)
                m.d.sync += last.eq((line == before_line) & (part == before_part))
            m.d.sync += part.eq(Mux(wraps, 0, part + 1))
            with m.If(wraps):
                m.d.sync += line.eq(Mux(last, 0, line + 1))
        if not self.steady:
            return line, part, beat & last, line > self.line
        ahead = Signal()
        moved = ~last & (line >= self.line)
        m.d.sync += ahead.eq(Mux(beat & wraps, moved, line > self.line))
        return line, part, beat & last, ahead

    def _memories(self, m: Module, part: Value, to: Value, image: Value) -> None:
        """Memory ``(bank, part)`` holds that part of every row ``line * banks + bank``."""
        pixels = min(self.beat, self.width)
        depth = self.images << (self.lines - 1).bit_length()
        where = [divmod(row, self.banks) for row in range(self.height)]
        lines = [Array(C(line, range(self.lines)) for line, _ in where)[row] for row in self.rows]
        banks = [Array(C(bank, range(self.banks)) for _, bank in where)[row] for row in self.rows]
        found: list[list[Value]] = [[] for _ in self.rows]
        for number in range(self.banks):
            parts: list[list[Value]] = [[] for _ in self.rows]
            for at in range(self.parts):
                ram = LutRam(ACT_BITS * pixels, depth, self.reads)
                m.submodules[f"ram{number}_{at}"] = ram
                m.d.comb += [
                    ram.write_en.eq(self.i.valid & self.i.ready & (part == at)),
                    ram.write_address.eq(to),
                    ram.write_data.eq(self.i.payload.word_select(number, ACT_BITS * pixels)),
                    *(ram.address[read].eq(Cat(line, image)) for read, line in enumerate(lines)),
                ]
                for pieces, piece in zip(parts, ram.data, strict=True):
                    pieces.append(Value.cast(piece))
            for rows, pieces in zip(found, parts, strict=True):
                rows.append(Cat(*pieces))
        for read, (rows, bank) in enumerate(zip(found, banks, strict=True)):
            row = Signal(ACT_BITS * self.width, name=f"row{read}", reset_less=True)
            m.d.sync += row.eq(Array(rows)[bank])
            m.d.comb += Value.cast(self.o[read]).eq(row)
