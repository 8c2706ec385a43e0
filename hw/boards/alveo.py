"""What Alveo cards have in common: the link to the host, and how their platforms are linked to."""

from twofold.hw.boards.board import Host
from twofold.hw.boards.resources import Resources

CEILINGS = Resources(lut=0.70, ff=0.50, bram36=0.80, uram=0.80, dsp=0.80)
"""The vendor's guidance for closing timing (UG949)."""

HOST = Host(link="PCIe Gen3 x16", to_card=11.0e9, from_card=12.1e9, runtime="XRT")
"""Rates are what the vendor's own test printed for a U250 (``xbutil validate``, pull request 937 of
Xilinx/XRT); a card with the same link and DMA engine is assumed to have them too."""

LINK_OPTIONS = (
    "[vivado]",
    "prop=run.impl_1.STEPS.PHYS_OPT_DESIGN.IS_ENABLED=true",
    "prop=run.impl_1.STEPS.PHYS_OPT_DESIGN.ARGS.DIRECTIVE=AggressiveExplore",
)
