"""What a network is made of: layer kinds, weight structures, and pooling; one file per kind.

A kind is a class. It carries its shape rules, its checks and the fields of its JSON form, and
everything else gets them from there: the hardware, the parameter image, the golden model and the
importers ask a stage (`twofold.hw.contract.network.Stage`) for shapes and counts instead of testing
its kind. `LAYERS`, `SPARSITIES` and `POOLINGS` are the registries by name.
"""

from twofold.hw.contract.layers.add import Add
from twofold.hw.contract.layers.base import Layer, Output, Shape, Window
from twofold.hw.contract.layers.conv2d import Conv2d
from twofold.hw.contract.layers.geometry import Padding, Size
from twofold.hw.contract.layers.linear import Linear
from twofold.hw.contract.layers.pooling import MAX, POOLINGS, Pooling
from twofold.hw.contract.layers.sparsity import (
    SPARSITIES,
    Complementary,
    Dense,
    Grouped,
    Sparsity,
    Taps,
)

LAYERS: dict[str, type[Layer]] = {kind.__name__: kind for kind in (Conv2d, Add, Linear)}
"""Layer kinds by their name in JSON."""

__all__ = [
    "LAYERS", "MAX", "POOLINGS", "SPARSITIES", "Add", "Complementary", "Conv2d", "Dense", "Grouped",
    "Layer", "Linear", "Output", "Padding", "Pooling", "Shape", "Size", "Sparsity", "Taps",
    "Window",
]  # fmt: skip
