"""Drawings of the documentation, made from the contract, the timeline and the golden model."""
