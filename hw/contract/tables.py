"""Tables: the machine's memories that are loaded at run time.

A layer has up to four tables. A table is ``lanes`` memories of ``depth`` elements each; an element
is ``bits`` wide in hardware and is stored in 16 or 32 bits in the parameter image (two's complement
if signed).

WEIGHTS of a gather layer: ``weight | tap << 8``.
    One lane per stream. Groups of ``streams`` neighbouring kernels are stored one after another,
    lane ``s`` holding kernel ``group * streams + s`` with its taps ascending
    (``row * kernel width + column``); lists shorter than the group's steps are padded with weight
    0, tap 0, and so are the lanes of the kernels that an incomplete last group lacks.

WEIGHTS of a scatter layer: ``weight | slot << 8``.
    The element at ``(tap << index_bits | channel) * rounds + round`` of lane ``l`` belongs to set
    ``round * lanes + l``: the weight of the one kernel of the set that uses this input position,
    and that kernel's number in the set. Positions that no kernel uses have weight 0.

WEIGHTS of a vector layer: ``weight | slot << 8``.
    As of a scatter layer, with the engine in place of the tap and the chunk in place of the
    channel: the element at ``(engine << index_bits | chunk) * rounds + round`` belongs to input
    ``chunk * engines + engine``. Inputs that the last chunk lacks have weight 0.

ADD: signed additive constant of requantisation, or bias of a logit.
    In drain order: lane ``d`` of ``drain`` holds channel ``step * drain + d`` (a gather layer has
    one lane). Channels that an incomplete last slot lacks are 0.

MUL: unsigned multiplier (0..32767), in the order of ADD; only for layers with a multiplier.

SHIFT: right shift (0..31), one element; absent for logits.

Row addresses pad the channel count to a power of two so that tap and channel can be concatenated.
The element order of ADD follows from the canonical kernel order: going slot by slot and set by set
is going channel by channel.
"""

from dataclasses import dataclass
from enum import IntEnum

from twofold.hw.contract.arith import MUL_BITS, WEIGHT_BITS
from twofold.hw.contract.folding import Plan, ScatterPlan


class TableKind(IntEnum):
    """Code of a table in the parameter image."""

    WEIGHTS = 0
    ADD = 1
    MUL = 2
    SHIFT = 3


@dataclass(frozen=True)
class Table:
    """Shape of one table of one layer.

    Attributes
    ----------
    stage: index of the layer.
    kind: which table.
    lanes: number of memories.
    depth: elements per memory.
    bits: width of an element in hardware.
    signed: whether elements are two's complement numbers.
    """

    stage: int
    kind: TableKind
    lanes: int
    depth: int
    bits: int
    signed: bool = False

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest value of an element, and the first value above the largest."""
        if self.signed:
            return -(1 << (self.bits - 1)), 1 << (self.bits - 1)
        return 0, 1 << self.bits

    @property
    def element_bits(self) -> int:
        """Width of an element in the parameter image: 16 or 32."""
        return 16 if self.bits <= 16 else 32


def index_bits(plan: ScatterPlan) -> int:
    """Width of the channel field in a row address (0 for a single channel)."""
    return plan.index_bits


def channels_in(plan: ScatterPlan) -> int:
    """Number of channels in a row address, padded to a power of two."""
    return 1 << index_bits(plan)


def weights_table(plan: Plan) -> Table:
    """Shape of the weight table of a layer."""
    bits = WEIGHT_BITS + plan.weight_tag_bits
    return Table(plan.stage.index, TableKind.WEIGHTS, plan.weight_lanes, plan.weight_rows, bits)


def tables(plan: Plan) -> tuple[Table, ...]:
    """Shapes of all tables of a layer, in the order in which the parameter image stores them."""
    stage = plan.stage
    lanes, depth = plan.drain, plan.channel_rows
    found = [
        weights_table(plan),
        Table(stage.index, TableKind.ADD, lanes, depth, stage.add_bits, signed=True),
    ]
    if stage.layer.multiplier:
        found.append(Table(stage.index, TableKind.MUL, lanes, depth, MUL_BITS))
    if not stage.last:
        found.append(Table(stage.index, TableKind.SHIFT, 1, 1, 5))
    return tuple(found)
