"""k-winners as operators of LiteRT."""

from math import prod

import numpy as np

from twofold.hw.contract.network import Stage
from twofold.sw.bench.tflite.graph import LiteGraph
from twofold.sw.onnx.export.graph import ACTIVATION_SCALE


def winners(graph: LiteGraph, stage: Stage, x: int, samples: int) -> int:
    """Append a layer's k-winners over the channels of int8 ``x``, if it has any; the output.

    ``TOPK_V2`` breaks ties by the lower index. ``SCATTER_ND`` leaves integer 0 everywhere else, so
    activations are uint8 on the way. XNNPACK has neither: LiteRT's own kernels run them.
    """
    if stage.k >= stage.channels:
        return x
    name, k = stage.name, np.array([stage.k], dtype=np.int32)
    rows = (samples,) if stage.layer.FLATTENS else (samples, *stage.out_shape[1:])
    shape, chosen = (*rows, stage.channels), (*rows, stage.k)
    size, count = prod(shape), prod(chosen)
    whole = graph.tensor(f"{name}.unsigned", shape, "uint8", ACTIVATION_SCALE)
    graph.operator("QUANTIZE", [x], [whole], 2, "Quantize")
    best = graph.like(whole, f"{name}.best", chosen)
    places = graph.tensor(f"{name}.places", chosen, "int32")
    graph.operator("TOPK_V2", [whole, graph.constant(f"{name}.k", k)], [best, places], 2, "TopKV2")
    firsts = np.arange(0, size, stage.channels, dtype=np.int32).reshape(*rows, 1)
    indices = graph.like(places, f"{name}.indices", chosen)
    graph.operator("ADD", [places, graph.constant(f"{name}.firsts", firsts)], [indices], 1, "Add")
    flat = graph.reshape(indices, f"{name}.flat", (count, 1))
    values = graph.reshape(best, f"{name}.values", (count,))
    spread = graph.like(whole, f"{name}.spread", (size,))
    extent = graph.constant(f"{name}.extent", np.array([size], dtype=np.int32))
    graph.operator("SCATTER_ND", [flat, values, extent], [spread], 1, "ScatterNd")
    kept = graph.like(x, f"{name}.winners", shape)
    unsigned = graph.reshape(spread, f"{name}.kept", shape)
    graph.operator("QUANTIZE", [unsigned], [kept], 2, "Quantize")
    return kept
