"""Inference on the processor: an engine of its own that uses both sparsities."""

from twofold.sw.cpu.engine import CpuEngine
from twofold.sw.cpu.library import available_isas

__all__ = ["CpuEngine", "available_isas"]
