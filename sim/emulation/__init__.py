"""A card behind the real Xilinx Runtime: its hardware emulation, with a Verilated kernel."""
