"""Summary of an import, as text and as JSON."""

from typing import Any

from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.onnx.importer.verify import Verification


def summary(quantized: QuantizedNetwork) -> dict[str, Any]:
    """Name, input and layers of an imported network."""
    notes = quantized.provenance["layers"]
    return {
        "network": quantized.network.name,
        "input_shape": list(quantized.network.input_shape),
        "zero_point": quantized.network.zero_point,
        "outputs": quantized.network.outputs,
        "labelled": quantized.network.labelled,
        "dialect": quantized.provenance["dialect"],
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
        "sparsity": stage.layer.sparsity.text(stage.channels, stage.inputs),
        "k": stage.k,
        "multiplier": stage.layer.multiplier,
        **note,
    }


def verification_lines(verified: Verification) -> list[str]:
    """Lines of text: the verdict, agreement of labels and logits, and the error of each layer."""
    labels = {
        "the model's logits": verified.labels,
        f"{verified.reference}": verified.outputs,
        "its optimised kernels": verified.optimised,
    }
    layers = [
        f"  {layer.layer}: {layer.differing:.2%} of the integers differ, by {layer.most} at most"
        for layer in verified.layers
    ]
    logits = (
        f"  logits: {verified.logits:.2%} of samples equal; error {verified.logit_error:.3g} at "
        f"most, of a spread of {verified.logit_spread:.3g}"
    )
    return [
        f"  {verified.samples} samples in {verified.reference}: {verified.verdict}",
        "  labels: " + ", ".join(f"{share:.2%} as {what}" for what, share in labels.items()),
        logits,
        *layers,
    ]


def lines(found: dict[str, Any]) -> list[str]:
    """Lines of text: the input, the layers, what is dropped, and whether it is exact."""
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
        f"  dialect: {found['dialect']}",
        f"  image: {found['image']}",
        *layers,
        *(f"  dropped: {text}" for text in found["dropped"]),
        f"  exactness: {proven}",
    ]
