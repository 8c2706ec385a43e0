"""Results in the card's memory: their size, and where the outputs and the label are.

A result is a row of whole 64-byte beats. The outputs of the network are little-endian int32 from
byte 0. If the network has labels, the label (the index of the largest output, the first of equal
ones) is the uint32 in the last four bytes of the row. Everything in between is 0. So up to 15
outputs with a label, or 16 without, take one beat. Rows are contiguous.

Everything that handles a result uses `ResultRow`: core, kernel, drivers, devices, test benches.
"""

import struct
from dataclasses import dataclass

from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import OUTPUTS_MAX, Network
from twofold.hw.contract.regs import BEAT_BYTES

COLUMN_BYTES = 4
BEAT_COLUMNS = BEAT_BYTES // COLUMN_BYTES
_RAW = 1 << 31


@dataclass(frozen=True)
class ResultRow:
    """Layout of a result.

    Attributes
    ----------
    outputs: number of outputs, 1..`twofold.hw.contract.network.OUTPUTS_MAX`.
    labelled: whether the result has a label; if not, the outputs are raw.

    Raises NetworkError if the number of outputs is out of range.
    """

    outputs: int
    labelled: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.outputs <= OUTPUTS_MAX:
            raise NetworkError(f"result: {self.outputs} outputs, needs 1..{OUTPUTS_MAX}")

    @property
    def beats(self) -> int:
        """Beats per row."""
        return -(-(self.outputs + self.labelled) // BEAT_COLUMNS)

    @property
    def nbytes(self) -> int:
        """Bytes per row: the distance from one result in memory to the next."""
        return self.beats * BEAT_BYTES

    @property
    def columns(self) -> int:
        """Number of 32-bit columns in a row."""
        return self.beats * BEAT_COLUMNS

    @property
    def label_column(self) -> int | None:
        """Column of the label; None for raw outputs."""
        return self.columns - 1 if self.labelled else None

    @property
    def register(self) -> int:
        """Value of the kernel's register ``outputs``."""
        return self.outputs | (0 if self.labelled else _RAW)

    @classmethod
    def of_register(cls, value: int) -> "ResultRow":
        """The layout given by a kernel's register ``outputs``. Raises NetworkError."""
        return cls(value & ~_RAW, not value & _RAW)

    def read(self, row: bytes) -> tuple[tuple[int, ...], int | None]:
        """Outputs and label of a result of `nbytes` bytes; the label is None for raw outputs."""
        outputs = struct.unpack_from(f"<{self.outputs}i", row)
        if self.label_column is None:
            return outputs, None
        (label,) = struct.unpack_from("<I", row, COLUMN_BYTES * self.label_column)
        return outputs, label


def result_row(network: Network) -> ResultRow:
    """Layout of a network's results."""
    return ResultRow(network.outputs, network.labelled)
