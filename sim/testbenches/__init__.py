"""Test benches of the core under cocotb, and the way to run them from Python."""
