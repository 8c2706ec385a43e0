"""Samples for simulations: recorded, synthesised or random."""
