"""Tools that the hardware is written with: Yosys, and Verilog as text."""
