"""The driver: one class for cards, their emulation and software stand-ins."""

from twofold.sw.driver.accelerator import Accelerator
from twofold.sw.driver.batch import Batch
from twofold.sw.driver.device import Device
from twofold.sw.driver.ticket import Ticket

__all__ = ["Accelerator", "Batch", "Device", "Ticket"]
