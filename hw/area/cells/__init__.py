"""Cells of the device families, as Yosys maps to them: one file each."""

from twofold.hw.area.cells import ecp5, xcup
from twofold.hw.area.cells.library import Library
from twofold.hw.boards.family import Family
from twofold.hw.contract.target import Target

_LIBRARIES = {Target.XCUP: xcup.LIBRARY, Target.ECP5: ecp5.LIBRARY}


def library(family: Family) -> Library:
    """The cells of a family."""
    return _LIBRARIES[family.target]
