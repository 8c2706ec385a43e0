"""The driver: one class over cards, their emulation, and what stands in for them."""

from sw.driver.accelerator import Accelerator
from sw.driver.batch import Batch
from sw.driver.device import Device
from sw.driver.ticket import Ticket

__all__ = ["Accelerator", "Batch", "Device", "Ticket"]
