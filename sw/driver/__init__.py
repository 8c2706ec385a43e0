"""The driver: one class over cards, their emulation, and what stands in for them."""

from twofold.sw.driver.accelerator import Accelerator
from twofold.sw.driver.batch import Batch
from twofold.sw.driver.device import Device
from twofold.sw.driver.ticket import Ticket

__all__ = ["Accelerator", "Batch", "Device", "Ticket"]
