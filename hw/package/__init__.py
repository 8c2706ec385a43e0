"""From kernel to bitstream: everything that Vivado and v++ need, generated from the contract."""
