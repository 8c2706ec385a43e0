"""Inference on the processor: an engine of its own that uses both sparsities."""

from sw.cpu.engine import CpuEngine
from sw.cpu.library import available_isas

__all__ = ["CpuEngine", "available_isas"]
