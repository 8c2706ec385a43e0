"""cocotb test benches of the core and the kernel, and how to run them from Python."""
