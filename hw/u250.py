"""The Alveo U250: part, platform, regions and memory."""

from dataclasses import dataclass

PART = "xcu250-figd2104-2L-e"
PLATFORM = "xilinx_u250_gen3x16_xdma_4_1_202210_1"
CLOCK_MHZ = 300
BANK_BYTES = 16 << 30
BANK_BASE, BANK_STEP = 0x40_0000_0000, 0x10_0000_0000


@dataclass(frozen=True)
class Slr:
    """A super logic region, and the memory bank whose controller is in it.

    Attributes
    ----------
    index: from 0, bottom up.
    """

    index: int

    @property
    def name(self) -> str:
        """As Vivado calls it."""
        return f"SLR{self.index}"

    @property
    def bank(self) -> str:
        """Memory bank, as v++ calls it."""
        return f"DDR[{self.index}]"

    @property
    def bank_base(self) -> int:
        """Address of that bank in kernels, as the platform maps it."""
        return BANK_BASE + self.index * BANK_STEP

    @property
    def pblock(self) -> str:
        """Part of the region that the platform leaves to kernels."""
        return f"pblock_dynamic_{self.name}"


SLRS = tuple(Slr(index) for index in range(4))
