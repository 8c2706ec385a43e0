"""Cells of the device, and machines made of them, against the vendor's own simulation models."""
