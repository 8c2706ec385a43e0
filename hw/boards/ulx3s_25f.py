"""The ULX3S with an ECP5-25F, for small networks. The rest is as on the 85F."""

from twofold.hw.boards.board import Board, Desk, Region
from twofold.hw.boards.ecp5 import CEILINGS, LFE5_25F, USB_WATTS, uart
from twofold.hw.boards.family import ECP5

BAUD = 3_000_000

BOARD = Board(
    name="ulx3s-25f",
    title="ULX3S 25F",
    device="LFE5U-25F",
    package="BG381",
    speed="6",
    grade="C",
    family=ECP5,
    clock_mhz=50,
    total=LFE5_25F,
    regions=(Region(index=0, user=LFE5_25F),),
    ceilings=CEILINGS,
    host=uart(BAUD),
    watts=USB_WATTS,
    built=False,
    desk=Desk(
        pins="amaranth_boards.ulx3s:ULX3S_25F_Platform",
        uart=0,
        baud=BAUD,
        device="--25k",
        package="CABGA381",
        loader="ulx3s",
    ),
)
