"""Loader of a gather layer: shifts the rows of an image past its tiles."""

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.contract.folding import GatherPlan
from twofold.hw.engines.gather.frame import FrameShape, InputFrame
from twofold.hw.engines.gather.window import Windows
from twofold.hw.engines.links import Credits
from twofold.hw.primitives.delay import delayed


class WindowLoader(wiring.Component):
    """Fills one copy of all windows per pass, as soon as a copy is free.

    Whole image rows are read, ``row_phases`` at a time, and shifted along the tile columns,
    ``col_phases`` pixels per cycle, so that the window of each column of tiles passes by it. Each
    row of tiles writes the pixels that belong to its windows. A group of rows is read as soon as it
    has arrived. Padding is inserted around the rows on the fly: rows are counted from the first
    padded one, `span` rows per channel. The channels of a pass are loaded one after the other.

    Parameters
    ----------
    plan: the layer.
    frame: source of the image.

    Members
    -------
    line, arrived, release, image_rows, pixel_rows: an `InputFrame`'s ``line``, ``arrived``,
        ``release``, ``rows`` and ``o``.
    free: a copy of the windows has been freed.
    loaded: all writes of a pass have been issued; they are complete for a step that leaves the
        sequencer in the next cycle.
    rows: a write for each row of tiles (see `Windows.load_layout`).
    pixels: write data for each column of tiles.

    Throughput: one pass every ``plan.load_steps`` cycles. ``rows`` and ``pixels`` are registered.
    """

    LATENCY = 2

    line: Signal
    arrived: Signal
    release: Signal
    image_rows: data.View
    pixel_rows: data.View
    free: Signal
    loaded: Signal
    rows: data.View
    pixels: data.View

    def __init__(self, plan: GatherPlan, frame: InputFrame) -> None:
        self.plan, self.frame, self.windows = plan, frame, Windows(plan)
        folding = plan.folding
        super().__init__(
            {
                "line": Out(range(frame.lines)),
                "arrived": In(1),
                "release": Out(1),
                "image_rows": Out(frame.rows.shape()),
                "pixel_rows": In(frame.o.shape()),
                "free": In(1),
                "loaded": Out(1),
                "rows": Out(data.ArrayLayout(self.windows.load_layout, folding.rows)),
                "pixels": Out(data.ArrayLayout(self.windows.square_shape, folding.cols)),
            }
        )
        blocks = range(0, plan.stage.out_shape[1], folding.rows)
        self.tops = tuple(block * plan.row_phases for block in blocks)
        self.across = plan.stage.out_shape[2] // folding.cols
        self.span = self.tops[-1] + plan.load_groups * plan.row_phases
        self.last_row = plan.planes * self.span - plan.row_phases

    @staticmethod
    def steady_of(plan: GatherPlan) -> bool:
        """Whether ``line`` has been there for a cycle when a group starts."""
        return Windows(plan).columns > 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        windows, levels = self.windows, self.plan.planes * self.plan.load_groups
        # The group being shifted past the tiles.
        busy, column = Signal(), Signal(range(windows.columns))
        level, block = Signal(range(levels)), Signal(range(self.across))
        final = Signal()
        column_wraps = busy & (column == windows.columns - 1)
        wraps = column_wraps & (level == levels - 1)
        # The group to read next.
        row, next_level = Signal(range(self.last_row + 1)), Signal(range(levels))
        along, top = Signal(range(self.across)), Signal(range(self.span - self.plan.row_phases + 1))
        # Registered, because every start depends on them: the last group of the pass, the last
        # block of the row of tiles, the last row of tiles.
        level_wraps = Signal(init=int(levels == 1))
        along_wraps = Signal(init=int(self.across == 1))
        lowest = Signal(init=int(len(self.tops) == 1))
        sample_wraps = level_wraps & along_wraps & lowest

        m.submodules.space = space = Credits(windows.copies)
        fresh = next_level == 0
        start = Signal()
        m.d.comb += [
            start.eq((~busy | column_wraps) & self.arrived & (space.available | ~fresh)),
            space.take.eq(start & fresh),
            space.release.eq(self.free),
            self.release.eq(column_wraps & final),
            self.loaded.eq(wraps),
        ]
        with m.If(busy):
            m.d.sync += column.eq(Mux(column_wraps, 0, column + 1))
        with m.If(column_wraps):
            m.d.sync += busy.eq(0)
        with m.If(start):
            m.d.sync += [busy.eq(1), level.eq(next_level), block.eq(along), final.eq(sample_wraps)]
            m.d.sync += next_level.eq(Mux(level_wraps, 0, next_level + 1))
            if levels > 1:
                m.d.sync += level_wraps.eq(next_level == levels - 2)
            m.d.sync += row.eq(row + self._advance(next_level))
            with m.If(level_wraps):
                below = Mux(lowest, 0, top + self.plan.folding.rows * self.plan.row_phases)
                m.d.sync += along.eq(Mux(along_wraps, 0, along + 1))
                m.d.sync += row.eq(Mux(along_wraps, below, top))
                if self.across > 1:
                    m.d.sync += along_wraps.eq(along == self.across - 2)
                with m.If(along_wraps):
                    m.d.sync += top.eq(below)
                    if len(self.tops) > 1:
                        m.d.sync += lowest.eq(top == self.tops[-2])
        self._request(m, row, start)
        self._read(m, block, column)
        self._write(m, busy, wraps, column, level)
        return m

    def _advance(self, level: Value) -> Value | int:
        """Rows from group ``level`` of a pass to the next one."""
        plan = self.plan
        if plan.planes == 1:
            return plan.row_phases
        lasts = [plane * plan.load_groups - 1 for plane in range(1, plan.planes)]
        return Mux(
            level.matches(*lasts),
            self.span - (plan.load_groups - 1) * plan.row_phases,
            plan.row_phases,
        )

    def _request(self, m: Module, row: Value, start: Value) -> None:
        """Drive the line to wait for, and the rows to read once a group has started."""
        plan, frame = self.plan, self.frame
        above, height = plan.stage.edges[0], plan.stage.in_shape[1]
        places = [divmod(at, self.span) for at in range(self.last_row + 1)]
        lines = [load_line(plan, frame.geometry, plane, at) for plane, at in places]
        lines[self.last_row] = frame.lines - 1  # an image is released once all of it has arrived
        # Requests are a full sweep of columns apart: that leaves a cycle for the frame, and another
        # for a register.
        domain = m.d.sync if self.windows.columns > 2 else m.d.comb
        domain += self.line.eq(Array(lines)[row])
        self._outside: list[Value] = []
        for phase in range(plan.row_phases):
            rows = [at + phase - above for _, at in places]
            clipped = [
                plane * height + min(max(0, at), height - 1)
                for (plane, _), at in zip(places, rows, strict=True)
            ]
            number = Signal(range(frame.height), name=f"row{phase}")
            outside = Signal(name=f"outside{phase}")
            with m.If(start):
                m.d.sync += number.eq(Array(clipped)[row])
                m.d.sync += outside.eq(Array(not 0 <= at < height for at in rows)[row])
            m.d.comb += self.image_rows[phase].eq(number)
            self._outside.append(outside)

    def _read(self, m: Module, block: Value, column: Value) -> None:
        """Load the rows of the block of tiles, then shift them column by column."""
        plan, windows = self.plan, self.windows
        cols = plan.folding.cols
        chunk = ACT_BITS * plan.col_phases
        length = chunk * (cols + windows.columns - 1)
        block = delayed(m, block, 1, name="block")
        load = delayed(m, column, 1, name="load") == 0
        for phase in range(plan.row_phases):
            pixels = self._padded(m, phase)
            blocks = [
                pixels[at * cols * chunk : at * cols * chunk + length] for at in range(self.across)
            ]
            passing = Signal(length, name=f"passing{phase}", reset_less=True)
            m.d.sync += passing.eq(Mux(load, Array(blocks)[block], passing >> chunk))
            for at in range(cols):
                m.d.comb += Value.cast(self.pixels[at][phase]).eq(passing.word_select(at, chunk))

    def _padded(self, m: Module, phase: int) -> Value:
        """A row that was read, padded at both ends; rows outside the image are all padding."""
        row = Value.cast(self.pixel_rows[phase])
        if not self.plan.stage.padding:
            return row
        _, left, _, right = self.plan.stage.edges
        fill = Const(self.plan.fill, ACT_BITS)
        outside = delayed(m, self._outside[phase], 1, name=f"outside{phase}")
        inner = Mux(outside, fill.replicate(len(row) // ACT_BITS), row)
        return Cat(fill.replicate(left), inner, fill.replicate(right))

    def _write(self, m: Module, busy: Value, wraps: Value, column: Value, level: Value) -> None:
        """Writes for each row of tiles, aligned with the pixels at the tiles."""
        windows = self.windows
        copy = Signal(range(windows.copies))
        with m.If(wraps):
            m.d.sync += copy.eq(Mux(copy == windows.copies - 1, 0, copy + 1))
        plane, level = self._split(level)
        now = [(busy, "busy"), (column, "column"), (copy, "copy"), (level, "level")]
        now += [(plane, "plane")] if len(plane) else []
        busy1, column1, copy1, level1, *plane1 = (
            delayed(m, value, 1, name=f"write_{name}", reset=name == "busy") for value, name in now
        )
        for number in range(self.plan.folding.rows):
            write = self.rows[number]
            inside = (level1 >= number) & (level1 < number + windows.rows)
            m.d.sync += [
                write.enable.eq(busy1 & inside),
                write.row.eq(level1 - number),
                write.column.eq(column1),
                write.copy.eq(copy1),
                *(write.plane.eq(value) for value in plane1),
            ]

    def _split(self, level: Value) -> tuple[Value, Value]:
        """Channel of group ``level`` of a pass, and its index within the channel."""
        planes, groups = range(self.plan.planes), range(self.plan.load_groups)
        if len(planes) == 1:
            return Const(0, 0), level
        places = [(C(plane, planes), C(group, groups)) for plane in planes for group in groups]
        plane, group = (Array(part)[level] for part in zip(*places, strict=True))
        return plane, group


def load_line(plan: GatherPlan, frame: FrameShape, plane: int, row: int) -> int:
    """Line of the image with the last row of the group of rows that begins at ``row`` of a channel,
    counted from the first padded one.
    """
    height = plan.stage.in_shape[1]
    last = min(max(0, row + plan.row_phases - 1 - plan.stage.edges[0]), height - 1)
    return frame.line_of(plane * height + last)
