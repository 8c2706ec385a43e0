"""Families of devices: what their cells are called, and who synthesises for them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of devices that share their cells.

    Attributes
    ----------
    name: for people and for programs.
    synthesis: command of Yosys that maps to its cells.
    dsp: multiplier cell.
    products_per_dsp: INT8 products that it gives a cycle where they share a factor.
    block_ram, half_block_ram: block memory of 36 Kbit, and the one of half the size.
    large_ram: large memory; "" where there is none.
    """

    name: str
    synthesis: str
    dsp: str
    products_per_dsp: int
    block_ram: str
    half_block_ram: str
    large_ram: str = ""


XCUP = Family(
    name="xcup",
    synthesis="synth_xilinx -family xcup",
    dsp="DSP48E2",
    products_per_dsp=2,
    block_ram="RAMB36E2",
    half_block_ram="RAMB18E2",
    large_ram="URAM288",
)
"""UltraScale+."""
