"""Targets: what the primitives of a machine become when its Verilog is written."""

from enum import Enum


class Target(Enum):
    """Cells that primitives are built from.

    ``MODEL`` is for simulation: behavioural models with assertions. The others are device families,
    named as `twofold.hw.boards.family` names them.
    """

    MODEL = "model"
    XCUP = "xcup"
    ECP5 = "ecp5"
