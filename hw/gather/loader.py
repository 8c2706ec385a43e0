"""Loader of a gather layer: moves the rows of an image past its tiles."""

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.contract.folding import GatherPlan
from hw.delay import delayed
from hw.gather.window import Windows
from hw.links import Credits


class WindowLoader(wiring.Component):
    """Fills a copy of all windows, pass after pass, as soon as a copy is free.

    A row of the image is read as a whole and shifted along the tile columns, ``phases`` pixels a
    cycle, so that each column of tiles sees its window go by. A row of tiles writes what falls into
    its windows. Padding is put around the rows on the way: rows are counted from the first padded
    one.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    available, take, release, row, pixels_row: an `InputFrame`'s ``available``, ``take``,
        ``release``, ``row`` and ``o``.
    free: a copy of the windows is free again.
    loaded: all writes of a pass are under way; a step that leaves the sequencer in the next cycle
        finds them done.
    rows: a write for each row of tiles (see `Windows.load_layout`).
    pixels: what is written, for each column of tiles.

    Throughput: a pass every ``plan.load_steps`` cycles. ``rows`` and ``pixels`` are registered.
    """

    LATENCY = 2

    available: Signal
    take: Signal
    release: Signal
    row: Signal
    pixels_row: data.View
    free: Signal
    loaded: Signal
    rows: data.View
    pixels: data.View

    def __init__(self, plan: GatherPlan) -> None:
        self.plan, self.windows = plan, Windows(plan)
        _, height, width = plan.stage.in_shape
        folding = plan.folding
        super().__init__(
            {
                "available": In(1),
                "take": Out(1),
                "release": Out(1),
                "row": Out(range(height)),
                "pixels_row": In(data.ArrayLayout(8, width)),
                "free": In(1),
                "loaded": Out(1),
                "rows": Out(data.ArrayLayout(self.windows.load_layout, folding.rows)),
                "pixels": Out(data.ArrayLayout(self.windows.row_shape, folding.cols)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, windows = self.plan, self.windows
        blocks = plan.stage.out_shape[1] // plan.folding.rows
        across = plan.stage.out_shape[2] // plan.folding.cols
        busy = Signal()
        column, line = Signal(range(windows.columns)), Signal(range(plan.load_rows))
        down, along = Signal(range(blocks)), Signal(range(across))
        padding = plan.stage.padding
        lines = plan.stage.in_shape[1] + 2 * padding
        row, top = Signal(range(lines)), Signal(range(lines))
        row_over = column == windows.columns - 1
        over = busy & row_over & (line == plan.load_rows - 1)
        along_over = along == across - 1
        word_over = along_over & (down == blocks - 1)
        holding = Signal()
        new_word = ~holding | (over & word_over)

        m.submodules.space = space = Credits(windows.copies)
        start = (~busy | over) & space.available & (self.available | ~new_word)
        m.d.comb += [
            space.take.eq(start),
            space.release.eq(self.free),
            self.take.eq(start & new_word),
            self.release.eq(over & word_over),
            self.loaded.eq(over),
        ]
        with m.If(busy):
            m.d.sync += column.eq(Mux(row_over, 0, column + 1))
            with m.If(row_over):
                m.d.sync += [line.eq(Mux(over, 0, line + 1)), row.eq(row + 1)]
        with m.If(over):
            m.d.sync += [busy.eq(0), holding.eq(~word_over), along.eq(along + 1)]
            m.d.sync += row.eq(top)
            with m.If(along_over):
                below = top + plan.folding.rows * plan.phases
                m.d.sync += [along.eq(0), down.eq(Mux(word_over, 0, down + 1))]
                m.d.sync += [row.eq(Mux(word_over, 0, below)), top.eq(Mux(word_over, 0, below))]
        with m.If(start):
            m.d.sync += [busy.eq(1), holding.eq(1)]
        m.d.comb += self.row.eq(row - padding)
        outside = (row < padding) | (row >= lines - padding) if padding else Const(0)
        self._read(m, along, column, outside)
        self._write(m, busy, over, column)
        return m

    def _read(self, m: Module, along: Value, column: Value, outside: Value) -> None:
        """Take in a row of the block of tiles, then shift it column by column."""
        plan, windows = self.plan, self.windows
        cols = plan.folding.cols
        chunk = 8 * plan.phases
        pixels = self._padded(m, outside)
        length = chunk * (cols + windows.columns - 1)
        blocks = [
            pixels[at * cols * chunk : at * cols * chunk + length]
            for at in range(plan.stage.out_shape[2] // cols)
        ]
        passing = Signal(length, reset_less=True)
        block = delayed(m, along, 1, name="block")
        with m.If(delayed(m, column, 1, name="load") == 0):
            m.d.sync += passing.eq(Array(blocks)[block])
        with m.Else():
            m.d.sync += passing.eq(passing >> chunk)
        m.d.comb += Value.cast(self.pixels).eq(passing)

    def _padded(self, m: Module, outside: Value) -> Value:
        """The row that was read, with padding at both ends; nothing else for rows outside."""
        padding, row = self.plan.stage.padding, Value.cast(self.pixels_row)
        if not padding:
            return row
        fill = Const(self.plan.fill, 8)
        inner = Mux(delayed(m, outside, 1, name="outside"), fill.replicate(len(row) // 8), row)
        return Cat(fill.replicate(padding), inner, fill.replicate(padding))

    def _write(self, m: Module, busy: Value, over: Value, column: Value) -> None:
        """Writes for each row of tiles, when its pixels are at the tiles."""
        plan, windows = self.plan, self.windows
        copy = Signal(range(windows.copies))
        phase = Signal(range(plan.phases))
        level = Signal(range(-(-plan.load_rows // plan.phases)))
        phase_over = phase == plan.phases - 1
        row_over = busy & (column == windows.columns - 1)
        with m.If(row_over):
            m.d.sync += phase.eq(Mux(phase_over, 0, phase + 1))
            with m.If(phase_over):
                m.d.sync += level.eq(level + 1)
        with m.If(over):
            m.d.sync += [phase.eq(0), level.eq(0)]
            m.d.sync += copy.eq(Mux(copy == windows.copies - 1, 0, copy + 1))
        now = [(busy, "busy"), (column, "column"), (copy, "copy"), (phase, "phase")]
        busy1, column1, copy1, phase1 = (
            delayed(m, value, 1, name=f"write_{name}", reset=name == "busy") for value, name in now
        )
        level1 = delayed(m, level, 1, name="write_level")
        for number in range(plan.folding.rows):
            write = self.rows[number]
            inside = (level1 >= number) & (level1 < number + windows.rows)
            m.d.sync += [
                write.enable.eq(busy1 & inside),
                write.phase.eq(phase1),
                write.row.eq(level1 - number),
                write.column.eq(column1),
                write.copy.eq(copy1),
            ]
