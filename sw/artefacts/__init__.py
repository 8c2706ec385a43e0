"""Artefacts: frozen dataclasses stored in files, which one layer of the project hands to the next."""

from twofold.sw.artefacts.quantized import QuantizedLayer, QuantizedNetwork

__all__ = ["QuantizedLayer", "QuantizedNetwork"]
