"""What boards with an ECP5 have in common: the device itself, and a serial line to the host.

Device figures are those of the family's data sheet (FPGA-DS-02012), with LUTs of four inputs.
"""

from twofold.hw.boards.board import Host
from twofold.hw.boards.resources import Resources

LFE5_25F = Resources(lut=24_288, ff=24_288, bram36=28, dsp=28)
LFE5_85F = Resources(lut=83_640, ff=83_640, bram36=104, dsp=156)

CEILINGS = Resources(lut=0.75, ff=0.75, bram36=0.95, uram=1, dsp=0.95)
"""What nextpnr has routed of this project's machines."""

USB_WATTS = 2.5
"""What a USB connector supplies."""


def uart(baud: int) -> Host:
    """A serial line of ``baud`` bits/s, ten of them for each byte."""
    return Host(
        link=f"UART, {baud // 1_000_000} Mbaud",
        to_card=baud / 10,
        from_card=baud / 10,
        runtime="pyserial",
    )
