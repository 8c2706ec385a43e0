"""Tools used to generate the hardware: Yosys, and Verilog as text."""
