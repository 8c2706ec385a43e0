"""The machine: its contract with the software, its engines in Amaranth, and its builds."""
