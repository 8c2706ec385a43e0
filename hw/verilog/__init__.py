"""Generated files: Verilog of the machine, and the cache that keeps what is slow to make."""
