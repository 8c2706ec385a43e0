"""The ECPIX-5 with an ECP5-5G-85F.

Device figures are those of the family's data sheet (FPGA-DS-02012), with LUTs of four inputs. The
link is port B of the board's FT2232H, which goes up to 12 Mbaud. Power is what USB supplies.
"""

from twofold.hw.boards.board import Board, Desk, Host, Region
from twofold.hw.boards.family import ECP5
from twofold.hw.boards.resources import Resources

BAUD = 12_000_000
WHOLE = Resources(lut=83_640, ff=83_640, bram36=104, dsp=156)

BOARD = Board(
    name="ecpix5-85",
    title="ECPIX-5 85F",
    device="LFE5UM5G-85F",
    package="BG554",
    speed="8",
    grade="C",
    family=ECP5,
    clock_mhz=50,
    total=WHOLE,
    regions=(Region(index=0, user=WHOLE),),
    ceilings=Resources(lut=0.75, ff=0.75, bram36=0.95, uram=1, dsp=0.95),
    host=Host(link="UART, 12 Mbaud", to_card=BAUD / 10, from_card=BAUD / 10, runtime="pyserial"),
    watts=2.5,
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
