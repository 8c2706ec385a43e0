"""Packing: from a quantized network to the image that is loaded into the machine, and back."""

from twofold.sw.pack.packer import pack, unpack

__all__ = ["pack", "unpack"]
