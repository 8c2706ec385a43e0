"""Damaged, strange and hostile input for everything that reads: one line each, or it is a fault."""
