"""Simulated devices for the driver: the golden model, and the machine's RTL."""

from twofold.sim.devices.golden import open_golden
from twofold.sim.devices.rtl import open_rtl

__all__ = ["open_golden", "open_rtl"]
