"""Simulation: the golden model, the Verilated machine and its test benches."""
