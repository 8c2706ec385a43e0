"""Generated files: Verilog of the machine, and the cache for what is slow to build."""
