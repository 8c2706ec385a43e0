"""Windows of a gather layer: where a pixel is stored in a tile, and when it may be overwritten.

A window is split, its rows modulo ``row_phases`` and its columns modulo ``col_phases``, into one
memory per pair of phases. All positions of a pooling window look up one tap at the same time, each
in a memory of its own, so a memory needs one address per cycle and stream. An address consists of
the column and the row, divided by their phases, the channel, and the number of the copy: some
copies are computed on while others are loaded.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from amaranth.hdl import *
from amaranth.lib import data

from twofold.hw.contract.arith import ACT_BITS, WEIGHT_BITS
from twofold.hw.contract.folding import GatherPlan

SUM_PRODUCTS = 4
"""Products that a packed multiplier can accumulate before it must be emptied."""


@dataclass(frozen=True)
class Windows:
    """Geometry of the windows of ``plan``, and the layouts that follow from it."""

    plan: GatherPlan

    @property
    def rows(self) -> int:
        """Rows of one memory."""
        return -(-self.plan.window[0] // self.plan.row_phases)

    @property
    def columns(self) -> int:
        """Columns of one memory; also the cycles it takes to load a group of rows."""
        return -(-self.plan.window[1] // self.plan.col_phases)

    @property
    def copies(self) -> int:
        """Copies of a window: enough that loading and computing never stall each other.

        A copy is in use from the first pixel written to the last one read: loading, the steps, the
        delay of the last stream and two cycles of hand-over.
        """
        busy = self.plan.load_steps + self.plan.steps + self.plan.folding.streams + 1
        return max(2, -(-busy // self.plan.interval))

    @property
    def row_bits(self) -> int:
        """Bits of a row address."""
        return (self.rows - 1).bit_length()

    @property
    def column_bits(self) -> int:
        """Bits of a column address."""
        return (self.columns - 1).bit_length()

    @property
    def plane_bits(self) -> int:
        """Bits of the channel in an address."""
        return (self.plan.planes - 1).bit_length()

    @property
    def depth(self) -> int:
        """Elements of one memory."""
        return self.copies << (self.row_bits + self.column_bits + self.plane_bits)

    @property
    def emptied(self) -> bool:
        """Whether a sum can have more products than a packed multiplier can accumulate."""
        return max(self.plan.counts) > SUM_PRODUCTS

    @property
    def sum_bits(self) -> int:
        """Width of the sum of a kernel at one position."""
        return self.plan.stage.acc_bits

    @property
    def _plane(self) -> dict[str, int]:
        return {"plane": self.plane_bits} if self.plane_bits else {}

    def plane_of(self, place: Any) -> Value:
        """Channel of a view of `load_layout` or `lookup_layout`, as a part of an address."""
        return place.plane if self.plane_bits else Cat()

    @cached_property
    def load_layout(self) -> data.StructLayout:
        """A write into the windows of a row of tiles.

        ``enable``; ``row``, ``column``, ``plane`` (where there are several channels): address in
        all its memories; ``copy``: copy of the window.
        """
        return data.StructLayout(
            {
                "enable": 1,
                "row": self.row_bits,
                "column": self.column_bits,
                **self._plane,
                "copy": range(self.copies),
            }
        )

    @cached_property
    def lookup_layout(self) -> data.StructLayout:
        """Location of a tap: ``rows`` and ``columns``, an address for each phase; ``plane``, the
        channel, where there are several; and ``phase``.

        Position ``(y, x)`` of the pooling window finds the tap in the memory of row phase
        ``(phase // col_phases + down * y) % row_phases`` and column phase
        ``(phase % col_phases + across * x) % col_phases``, with strides ``down`` and ``across``.
        """
        return data.StructLayout(
            {
                "rows": data.ArrayLayout(self.row_bits, self.plan.row_phases),
                "columns": data.ArrayLayout(self.column_bits, self.plan.col_phases),
                **self._plane,
                "phase": range(self.plan.phases),
            }
        )

    @cached_property
    def step_layout(self) -> data.StructLayout:
        """A step of one stream.

        ``weight``; ``lookup``: location of its tap; ``copy``: copy of the window; ``first``: first
        product of a sum in the packed multiplier. Where sums are emptied: ``empty``, last product
        of a sum, and ``start``, that sum is the first of a kernel.
        """
        emptying = {"empty": 1, "start": 1} if self.emptied else {}
        return data.StructLayout(
            {
                "weight": signed(WEIGHT_BITS),
                "lookup": self.lookup_layout,
                "copy": range(self.copies),
                "first": 1,
                **emptying,
            }
        )

    @cached_property
    def square_shape(self) -> data.ArrayLayout:
        """``col_phases`` neighbours in ``row_phases`` rows, a pixel for each memory of a tile."""
        row = data.ArrayLayout(ACT_BITS, self.plan.col_phases)
        return data.ArrayLayout(row, self.plan.row_phases)

    def lookup(self, tap: int) -> dict[int | str, Any]:
        """Value of `lookup_layout` for tap ``(channel * height + row) * width + column``, with the
        kernel's height and width.
        """
        plane, place = divmod(tap, self.plan.stage.taps)
        row, column = divmod(place, self.plan.stage.kernel[1])
        pool_rows, pool_cols = self.plan.stage.pool_window
        down, across = self.plan.stage.strides
        phase = row % self.plan.row_phases * self.plan.col_phases + column % self.plan.col_phases
        return {
            "rows": self._addresses(row, self.rows, pool_rows, down),
            "columns": self._addresses(column, self.columns, pool_cols, across),
            **({"plane": plane} if self.plane_bits else {}),
            "phase": phase,
        }

    @staticmethod
    def _addresses(tap: int, limit: int, pool: int, stride: int) -> list[int]:
        """Address of a tap's row or column in the memory of each phase that a position reads.

        It is that of the first row or column, from the tap onwards, that belongs to the phase.
        """
        phases = pool * stride
        read = {(tap + stride * at) % phases for at in range(pool)}
        found = [
            (tap + (phase - tap) % phases) // phases if phase in read else 0
            for phase in range(phases)
        ]
        return [min(address, limit - 1) for address in found]


@dataclass(frozen=True)
class StepFlags:
    """Flags of a step of a pass, besides its weight and tap: a row of `step_flags`."""

    first: bool
    """The packed multiplier starts a sum."""
    empty: bool
    """The packed multiplier's sum is complete."""
    start: bool
    """That sum is the first of a kernel."""
    last: bool
    """The kernels of the group are complete."""


def step_flags(plan: GatherPlan) -> list[StepFlags]:
    """Flags of all steps of a pass; they depend on shape and folding only."""
    length = SUM_PRODUCTS if Windows(plan).emptied else max(plan.groups)
    return [
        StepFlags(
            first=at % length == 0,
            empty=at % length == length - 1 or at == steps - 1,
            start=at < length,
            last=at == steps - 1,
        )
        for steps in plan.groups
        for at in range(steps)
    ]
