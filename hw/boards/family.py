"""Device families: what their cells are called, and which Yosys command synthesises for them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of devices with the same cells.

    Attributes
    ----------
    name: name of the family, also used by programs.
    synthesis: Yosys command that maps to its cells.
    dsp: multiplier cell.
    products_per_dsp: INT8 products per cycle and multiplier cell if they share a factor.
    block_ram, half_block_ram: block RAM cells of 36 Kbit and of half that size.
    large_ram: large memory cell; "" if there is none.
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
