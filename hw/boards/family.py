"""Device families: what their cells are called, and which Yosys command synthesises for them."""

from dataclasses import dataclass

from twofold.hw.contract.target import Target


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of devices with the same cells.

    Attributes
    ----------
    name: name of the family, also used by programs.
    target: cells that primitives become on it.
    synthesis: Yosys command that maps to its cells.
    dsp: multiplier cell.
    products_per_dsp: INT8 products per cycle and multiplier cell if they share a factor.
    block_ram, half_block_ram: block RAM cells of 36 Kbit and of half that size.
    large_ram: large memory cell; "" if there is none.
    """

    name: str
    target: Target
    synthesis: str
    dsp: str
    products_per_dsp: int
    block_ram: str
    half_block_ram: str
    large_ram: str = ""


XCUP = Family(
    name="xcup",
    target=Target.XCUP,
    synthesis="synth_xilinx -family xcup",
    dsp="DSP48E2",
    products_per_dsp=2,
    block_ram="RAMB36E2",
    half_block_ram="RAMB18E2",
    large_ram="URAM288",
)
"""UltraScale+."""

ECP5 = Family(
    name="ecp5",
    target=Target.ECP5,
    synthesis="synth_ecp5",
    dsp="MULT18X18D",
    products_per_dsp=1,
    block_ram="",
    half_block_ram="DP16KD",
)
"""ECP5 and ECP5-5G. Its block memories of 18 Kbit count as half of those that others have."""
