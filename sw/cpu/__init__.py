"""Inference on the CPU: the project's own engine, which uses weight and activation sparsity."""

from twofold.sw.cpu.engine import CpuEngine
from twofold.sw.cpu.library import available_isas

__all__ = ["CpuEngine", "available_isas"]
