"""The machine's Verilog as a Verilated library, driven in bulk from Python."""
