"""The ECPIX-5 with an ECP5-5G-85F.

The link is port B of the board's FT2232H, which goes up to 12 Mbaud.
"""

from twofold.hw.boards.board import Board, Desk, Region
from twofold.hw.boards.ecp5 import CEILINGS, LFE5_85F, USB_WATTS, uart
from twofold.hw.boards.family import ECP5

BAUD = 12_000_000

BOARD = Board(
    name="ecpix5-85",
    title="ECPIX-5 85F",
    device="LFE5UM5G-85F",
    package="BG554",
    speed="8",
    grade="C",
    family=ECP5,
    clock_mhz=50,
    total=LFE5_85F,
    regions=(Region(index=0, user=LFE5_85F),),
    ceilings=CEILINGS,
    host=uart(BAUD),
    watts=USB_WATTS,
    built=False,
    desk=Desk(
        pins="amaranth_boards.ecpix5:ECPIX585Platform",
        uart=0,
        baud=BAUD,
        device="--um5g-85k",
        package="CABGA554",
        loader="ecpix5",
    ),
)
