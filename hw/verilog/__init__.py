"""Verilog of the machine and of its kernel, generated and cached."""
