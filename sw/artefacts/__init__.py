"""Artefacts: frozen dataclasses stored in files, passed between the layers of the project."""

from twofold.sw.artefacts.quantized import QuantizedLayer, QuantizedNetwork

__all__ = ["QuantizedLayer", "QuantizedNetwork"]
