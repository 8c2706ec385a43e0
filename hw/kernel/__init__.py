"""The core as a Vitis kernel: AXI, registers, and memory traffic."""
