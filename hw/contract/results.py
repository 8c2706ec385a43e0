"""Results in the card's memory: how long one is, and where in it the outputs and the label stand.

A result is a row of whole beats of 64 bytes. The outputs of the network stand in it as
little-endian int32 from byte 0. Where the network has labels, the label (the number of the largest
output, of equal ones the first) is the uint32 in the last four bytes of the row. Everything between
is 0. So up to 15 outputs with a label, or 16 without, take one beat. Rows follow each other without
a gap.

Whatever touches a result calls `ResultRow`: core, kernel, drivers, devices, test benches.
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
    """Where everything stands in a result.

    Attributes
    ----------
    outputs: of the network, 1..`twofold.hw.contract.network.OUTPUTS_MAX`.
    labelled: whether a label goes with them; without, they are raw outputs.

    Raises NetworkError for any other number of outputs.
    """

    outputs: int
    labelled: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.outputs <= OUTPUTS_MAX:
            raise NetworkError(f"result: {self.outputs} outputs, needs 1..{OUTPUTS_MAX}")

    @property
    def beats(self) -> int:
        """Beats of a row."""
        return -(-(self.outputs + self.labelled) // BEAT_COLUMNS)

    @property
    def nbytes(self) -> int:
        """Bytes of a row: from one result in memory to the next."""
        return self.beats * BEAT_BYTES

    @property
    def columns(self) -> int:
        """Numbers of 32 bits in a row."""
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
        """The row that a kernel's register ``outputs`` tells of. Raises NetworkError."""
        return cls(value & ~_RAW, not value & _RAW)

    def read(self, row: bytes) -> tuple[tuple[int, ...], int | None]:
        """Outputs and label of a result of `nbytes` bytes; no label for raw outputs."""
        outputs = struct.unpack_from(f"<{self.outputs}i", row)
        if self.label_column is None:
            return outputs, None
        (label,) = struct.unpack_from("<I", row, COLUMN_BYTES * self.label_column)
        return outputs, label


def result_row(network: Network) -> ResultRow:
    """The row of a network's results."""
    return ResultRow(network.outputs, network.labelled)
