"""The ULX3S with an ECP5-85F. The link is the board's FT231X, which goes up to 3 Mbaud."""

from twofold.hw.boards.board import Board, Desk, Region
from twofold.hw.boards.ecp5 import CEILINGS, LFE5_85F, USB_WATTS, uart
from twofold.hw.boards.family import ECP5

BAUD = 3_000_000

BOARD = Board(
    name="ulx3s-85f",
    title="ULX3S 85F",
    device="LFE5U-85F",
    package="BG381",
    speed="6",
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
        pins="amaranth_boards.ulx3s:ULX3S_85F_Platform",
        uart=0,
        baud=BAUD,
        device="--85k",
        package="CABGA381",
        loader="ulx3s",
    ),
)
