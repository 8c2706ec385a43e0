"""Lattice's evaluation board of the ECP5-5G.

Device figures are those of the family's data sheet (FPGA-DS-02012), with LUTs of four inputs. The
link is port B of the board's FT2232H, which goes up to 12 Mbaud; two resistors have to be moved
for it (section 6.2 of the board's user guide, FPGA-EB-02017). Power is what USB supplies.
"""

from twofold.hw.boards.board import Board, Desk, Host, Region
from twofold.hw.boards.family import ECP5
from twofold.hw.boards.resources import Resources

BAUD = 12_000_000
WHOLE = Resources(lut=83_640, ff=83_640, bram36=104, dsp=156)

BOARD = Board(
    name="ecp5-5g-evn",
    title="ECP5-5G Evaluation Board",
    device="LFE5UM5G-85F",
    package="BG381",
    speed="8",
    grade="C",
    family=ECP5,
    clock_mhz=48,
    total=WHOLE,
    regions=(Region(index=0, user=WHOLE),),
    ceilings=Resources(lut=0.75, ff=0.75, bram36=0.95, uram=1, dsp=0.95),
    host=Host(link="UART, 12 Mbaud", to_card=BAUD / 10, from_card=BAUD / 10, runtime="pyserial"),
    watts=2.5,
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
