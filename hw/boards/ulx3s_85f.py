"""The ULX3S with an ECP5-85F.

Device figures are those of the family's data sheet (FPGA-DS-02012), with LUTs of four inputs. The
link is the board's FT231X, which goes up to 3 Mbaud. Ceilings are what nextpnr has routed of this
project's machines; power is what its USB connector supplies.
"""

from twofold.hw.boards.board import Board, Desk, Host, Region
from twofold.hw.boards.family import ECP5
from twofold.hw.boards.resources import Resources

BAUD = 3_000_000
WHOLE = Resources(lut=83_640, ff=83_640, bram36=104, dsp=156)

BOARD = Board(
    name="ulx3s-85f",
    title="ULX3S 85F",
    device="LFE5U-85F",
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
        pins="amaranth_boards.ulx3s:ULX3S_85F_Platform",
        uart=0,
        baud=BAUD,
        device="--85k",
        package="CABGA381",
        loader="ulx3s",
    ),
)
