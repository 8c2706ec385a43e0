"""The Alveo U250.

Device, power and memory come from its data sheet (DS962), regions from "Alveo Data Center
Accelerator Card Platforms" (UG1120). Vitis 2025.2 dropped the card (release notes of Vitis
Libraries, "Alveo Platform support for 2025.2"); versions before 2022.1 reject the platform as newer
than themselves.

The shell of this platform fills the right half of SLR1; the dynamic region has everything else, by
the device model that RapidStream's TAPA measured for this platform (``u250_device.json`` in its
tests): 397,520, 203,120, 384,608 and 397,000 LUTs in SLR0 to SLR3, memory controllers included. So
SLR1 is left to the interconnect, and a card holds three units; `USER` is what an older platform, of
2018, left in a whole SLR with its memory controller.
"""

from twofold.hw.boards.alveo import CEILINGS, HOST, LINK_OPTIONS
from twofold.hw.boards.board import Board, Memory, Region, Shell, Tools
from twofold.hw.boards.family import XCUP
from twofold.hw.boards.resources import Resources

CLOCK_REGIONS = {0: "X0Y0:X7Y3", 2: "X0Y8:X7Y11", 3: "X0Y12:X7Y15"}
"""Of the SLRs that hold a unit."""
USER = Resources(lut=345_000, ff=690_000, bram36=500, uram=320, dsp=2877)

BOARD = Board(
    name="u250",
    title="Alveo U250",
    device="xcu250",
    package="figd2104",
    speed="2L",
    grade="e",
    family=XCUP,
    clock_mhz=300,
    total=Resources(lut=1_728_000, ff=3_456_000, bram36=2688, uram=1280, dsp=12_288),
    regions=tuple(
        Region(index=index, user=USER, clock_regions=(dynamic,), bank=index)
        for index, dynamic in CLOCK_REGIONS.items()
    ),
    ceilings=CEILINGS,
    host=HOST,
    watts=225,
    built=False,
    shell=Shell(
        platform="xilinx_u250_gen3x16_xdma_4_1_202210_1",
        device_family="virtexuplus",
        kernel_clock_mhz=500,
        pblock="pblock_dynamic_",
        memory=Memory(
            kind="DDR4",
            tag="DDR",
            banks=4,
            bank_bytes=16 << 30,
            base=0x40_0000_0000,
            step=0x10_0000_0000,
        ),
        tools=Tools(name="Vitis", oldest="2022.1", newest="2025.1"),
        link_options=LINK_OPTIONS,
    ),
)
