"""What an import found, for people and as JSON."""

from typing import Any

from twofold.hw.contract.network import Complementary, Dense, Stage, Taps
from twofold.sw.artefacts import QuantizedNetwork


def summary(quantized: QuantizedNetwork) -> dict[str, Any]:
    """Name, input and layers of an imported network."""
    notes = quantized.provenance["layers"]
    return {
        "network": quantized.network.name,
        "input_shape": list(quantized.network.input_shape),
        "zero_point": quantized.network.zero_point,
        "image": quantized.provenance["image"],
        "exact": quantized.provenance["exact"],
        "dropped": list(quantized.provenance["dropped"]),
        "layers": [
            _layer(stage, note) for stage, note in zip(quantized.network.stages, notes, strict=True)
        ],
    }


def _layer(stage: Stage, note: dict[str, Any]) -> dict[str, Any]:
    return {
        "layer": stage.name,
        "out_shape": list(stage.out_shape),
        "sparsity": _sparsity(stage),
        "k": stage.k,
        "multiplier": stage.layer.multiplier,
        **note,
    }


def _sparsity(stage: Stage) -> str:
    match stage.layer.sparsity:
        case Dense():
            return "dense"
        case Taps(counts):
            return f"{min(counts)}..{max(counts)} of {stage.inputs} taps"
        case Complementary(sets):
            return f"{sets} complementary sets of {stage.slots}"


def lines(found: dict[str, Any]) -> list[str]:
    """Lines for people: the image, the layers, what is left out, and whether it is exact."""
    layers = [
        f"  {layer['layer']}: {' x '.join(map(str, layer['out_shape']))}, {layer['sparsity']}, "
        f"k {layer['k']}{', kernels reordered' if layer['permuted'] else ''}"
        f"{'' if layer['exact'] else ', not provably exact: ' + layer['doubt']}"
        for layer in found["layers"]
    ]
    proven = (
        "proven: the integers equal those of the model for every image"
        if found["exact"]
        else "not proven: compare with ONNX Runtime on inputs of your own (--verify)"
    )
    return [
        f"  image: {found['image']}",
        *layers,
        *(f"  dropped: {text}" for text in found["dropped"]),
        f"  exactness: {proven}",
    ]
