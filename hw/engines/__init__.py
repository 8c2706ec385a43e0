"""Engines: what computes the layers, and the links between them."""
