"""Netlists after synthesis, as simulations: models of the cells that they are made of."""

from pathlib import Path

CELLS = Path(__file__).with_name("ecp5.v")
"""Verilog models of the cells of the ECP5."""
