"""Packing: from a quantized network to the parameter image of a machine, and back."""

from twofold.sw.pack.packer import pack, unpack

__all__ = ["pack", "unpack"]
