"""What an import found, for people and as JSON."""

from typing import Any

from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedNetwork


def summary(quantized: QuantizedNetwork) -> dict[str, Any]:
    """Name, input and layers of an imported network."""
    notes = quantized.provenance["layers"]
    return {
        "network": quantized.network.name,
        "input_shape": list(quantized.network.input_shape),
        "zero_point": quantized.network.zero_point,
        "outputs": quantized.network.outputs,
        "labelled": quantized.network.labelled,
        "layers": [
            _layer(stage, note) for stage, note in zip(quantized.network.stages, notes, strict=True)
        ],
    }


def _layer(stage: Stage, note: dict[str, Any]) -> dict[str, Any]:
    return {
        "layer": stage.name,
        "out_shape": list(stage.out_shape),
        "sparsity": stage.layer.sparsity.text(stage.channels, stage.inputs),
        "k": stage.k,
        "multiplier": stage.layer.multiplier,
        **note,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """A line for each layer."""
    return [
        f"  {layer['layer']}: {' x '.join(map(str, layer['out_shape']))}, {layer['sparsity']}, "
        f"k {layer['k']}{', kernels reordered' if layer['permuted'] else ''}"
        f"{'' if layer['exact'] else ', requantised to the nearest 15-bit factor'}"
        for layer in found["layers"]
    ]
