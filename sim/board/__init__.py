"""A board in simulation: the Verilated top of its design behind a pseudo-terminal."""
