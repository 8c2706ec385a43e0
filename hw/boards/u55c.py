"""The Alveo U55C: smaller than the U250, with HBM instead of DDR. Never built.

Device, power and memory come from its data sheet (DS978); the 32 pseudo channels of 512 MB each and
where they connect are in "HBM Configuration and Use" of UG1393. Regions are those that "Alveo Data
Center Accelerator Card Platforms" (UG1120) gives for the U280, which has the same die and loses
more of it to memory controllers, so that what fits there fits here. Clock regions of the dynamic
region are the U280's too, the whole ones in the device model of RapidStream's TAPA. Vitis still
supports this card in the release that dropped the U250 (release notes of Vitis Libraries 2025.2).

All pseudo channels are at the lower edge of SLR0; a unit uses one, which is four times as fast as
the fastest machine reads samples. The ones chosen belong to different switches.
"""

from twofold.hw.boards.alveo import CEILINGS, HOST, LINK_OPTIONS
from twofold.hw.boards.board import Board, Memory, Region, Shell, Tools
from twofold.hw.boards.family import XCUP
from twofold.hw.boards.resources import Resources

USER = (
    Resources(lut=369_000, ff=746_000, bram36=507, uram=320, dsp=2733),
    Resources(lut=333_000, ff=675_000, bram36=468, uram=320, dsp=2877),
    Resources(lut=367_000, ff=729_000, bram36=512, uram=320, dsp=2880),
)
CLOCK_REGIONS = (
    ("X0Y0:X6Y0", "X0Y1:X5Y2", "X0Y3:X3Y3", "X5Y3:X5Y3"),
    ("X0Y4:X5Y7",),
    ("X0Y8:X5Y10", "X0Y11:X3Y11", "X5Y11:X7Y11"),
)
CHANNELS_BETWEEN = 8

BOARD = Board(
    name="u55c",
    title="Alveo U55C",
    device="xcu55c",
    package="fsvh2892",
    speed="2L",
    grade="e",
    family=XCUP,
    clock_mhz=300,
    total=Resources(lut=1_303_680, ff=2_607_360, bram36=2016, uram=960, dsp=9024),
    regions=tuple(
        Region(index=index, user=user, clock_regions=dynamic, bank=CHANNELS_BETWEEN * index)
        for index, (user, dynamic) in enumerate(zip(USER, CLOCK_REGIONS, strict=True))
    ),
    ceilings=CEILINGS,
    host=HOST,
    watts=150,
    built=False,
    shell=Shell(
        platform="xilinx_u55c_gen3x16_xdma_3_202210_1",
        device_family="virtexuplusHBM",
        kernel_clock_mhz=500,
        pblock="pblock_dynamic_",
        memory=Memory(
            kind="HBM", tag="HBM", banks=32, bank_bytes=512 << 20, base=0, step=512 << 20
        ),
        tools=Tools(name="Vitis", oldest="2022.1"),
        link_options=LINK_OPTIONS,
    ),
)
