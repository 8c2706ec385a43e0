"""The ULX3S with an ECP5-25F, for small networks.

Device figures are those of the family's data sheet (FPGA-DS-02012), with LUTs of four inputs; the
rest is as on the 85F.
"""

from twofold.hw.boards.board import Board, Desk, Host, Region
from twofold.hw.boards.family import ECP5
from twofold.hw.boards.resources import Resources

BAUD = 3_000_000
WHOLE = Resources(lut=24_288, ff=24_288, bram36=28, dsp=28)

BOARD = Board(
    name="ulx3s-25f",
    title="ULX3S 25F",
    device="LFE5U-25F",
    package="BG381",
    speed="6",
    grade="C",
    family=ECP5,
    clock_mhz=50,
    total=WHOLE,
    regions=(Region(index=0, user=WHOLE),),
    ceilings=Resources(lut=0.75, ff=0.75, bram36=0.95, uram=1, dsp=0.95),
    host=Host(link="UART, 3 Mbaud", to_card=BAUD / 10, from_card=BAUD / 10, runtime="pyserial"),
    watts=2.5,
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
