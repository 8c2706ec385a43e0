"""Lattice's evaluation board of the ECP5-5G.

The link is port B of the board's FT2232H, which goes up to 12 Mbaud; two resistors have to be moved
for it (section 6.2 of the board's user guide, FPGA-EB-02017).
"""

from twofold.hw.boards.board import Board, Desk, Region
from twofold.hw.boards.ecp5 import CEILINGS, LFE5_85F, USB_WATTS, uart
from twofold.hw.boards.family import ECP5

BAUD = 12_000_000

BOARD = Board(
    name="ecp5-5g-evn",
    title="ECP5-5G Evaluation Board",
    device="LFE5UM5G-85F",
    package="BG381",
    speed="8",
    grade="C",
    family=ECP5,
    clock_mhz=48,
    total=LFE5_85F,
    regions=(Region(index=0, user=LFE5_85F),),
    ceilings=CEILINGS,
    host=uart(BAUD),
    watts=USB_WATTS,
    built=False,
    desk=Desk(
        pins="amaranth_boards.ecp5_5g_evn:ECP55GEVNPlatform",
        uart=0,
        baud=BAUD,
        device="--um5g-85k",
        package="CABGA381",
        loader="ecp5_evn",
    ),
)
