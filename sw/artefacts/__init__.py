"""Artefacts: files behind frozen dataclasses, which one floor hands to the next."""

from twofold.sw.artefacts.quantized import QuantizedLayer, QuantizedNetwork

__all__ = ["QuantizedLayer", "QuantizedNetwork"]
