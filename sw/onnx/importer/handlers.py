"""What each operator between a model's input and its logits does to the layer being read."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto

from twofold.sw.onnx.importer.convolution import NO_EDGES
from twofold.sw.onnx.importer.graph import SIDE_MAX, attributes, refuse
from twofold.sw.onnx.importer.layers import RawLayer, multiplying_layer, per_channel, scalar
from twofold.sw.onnx.importer.layout import RESHAPING, target_dims
from twofold.sw.onnx.importer.nodes import PASSING, label
from twofold.sw.onnx.importer.pooling import MEANS, mean_layer, window
from twofold.sw.onnx.importer.pooling import READERS as POOLING
from twofold.sw.onnx.importer.quantizers import Quantizer, Weights, activation, weights
from twofold.sw.onnx.importer.walk import Walk

MULTIPLYING = ("Conv", "Gemm", "MatMul")
BEHIND_PAD = ("Conv", "QuantizeLinear", "DequantizeLinear", "Identity", "Dropout")
"""Operators that may follow a Pad."""
KEPT = "limits activations that were quantized with their negative values"
WITHIN = ("Relu", "Clip", "Add", "Mul")
"""Operators within a layer: a quantization in front of them can be left out."""


def multiply_add(walk: Walk, node: onnx.NodeProto) -> None:
    """Conv, Gemm or MatMul: a layer starts, or a pooling that is written as one."""
    if walk.layer is not None:
        pool(walk, node)
        return
    if walk.integers:
        raise refuse(node, "takes integers that are not dequantized; export the model with QDQ")
    if not walk.flat and not walk.layout.in_order:
        raise refuse(node, "channels of its input come last (NHWC); export with channels first "
                     "(NCHW)")  # fmt: skip
    walk.start(node)
    layer = multiplying_layer(
        walk.graph, node, walk.layout.shape, walk.flat, walk.scale, padded=walk.padded
    )
    walk.padded, walk.unpadded = NO_EDGES, ""
    walk.taken(node, walk.columns(layer))


def pad(walk: Walk, node: onnx.NodeProto) -> None:
    """Pad: rows and columns of zeros, which the convolution behind it takes as its own padding."""
    options = attributes(node)
    if any(walk.padded):
        raise refuse(node, "pads what is padded; export one of them")
    if walk.layer is not None or len(walk.layout.axes) < 2 or not walk.layout.in_order:
        raise refuse(node, "pads something else than the image in front of a convolution")
    amounts = walk.graph.constant(node.input[1]) if len(node.input) > 1 else options.get("pads")
    value = scalar(walk.graph, node, 2) if len(node.input) > 2 and node.input[2] else 0.0
    rank = len(walk.layout.dims) + 1
    zero = walk.zero if walk.integers else 0
    numbers = [] if amounts is None else [int(number) for number in np.reshape(amounts, -1)[:16]]
    if options.get("mode", b"constant") != b"constant" or value != zero or len(node.input) > 3:
        raise refuse(node, "pads with something else than zeros; the machine's padding is zeros")
    if len(numbers) != 2 * rank or any(numbers[:2]) or any(numbers[rank : rank + 2]):
        raise refuse(node, f"pads is {numbers}, needs rows and columns only")
    if min(numbers) < 0 or max(numbers) > SIDE_MAX:
        raise refuse(node, f"pads is {numbers}, needs 0..{SIDE_MAX}")
    top, bottom = (numbers[2], numbers[rank + 2]) if rank == 4 else (0, 0)
    walk.padded, walk.unpadded = (top, numbers[rank - 1], bottom, numbers[-1]), walk.name


def pool(walk: Walk, node: onnx.NodeProto) -> None:
    """Pooling: of the layer's sums or maxima, or a mean of quantized activations."""
    layer = walk.layer
    if walk.first:
        raise refuse(node, "pools the input; the machine pools the sums of a convolution")
    if walk.flat or not walk.layout.in_order:
        raise refuse(node, "pools something else than an image with channels first")
    if layer is None and node.op_type in MEANS and not walk.integers:
        walk.start(node)
        walk.taken(node, mean_layer(node, walk.layout.shape, walk.scale))
        if not _is_quantized_next(walk, node):
            walk.chain.dropped.append(
                f"{label(node)}: the model keeps its means in float; here they are rounded to the "
                "steps of what it averages"
            )
            walk.close(node, walk.scale, (walk.kept, walk.limit))
        return
    if layer is None and walk.last is None:  # behind an obstacle, only shapes are known
        sides = window(node, walk.layout.shape)
        channels, rows, cols = walk.layout.shape
        walk.layout.shape = channels, rows // sides[0], cols // sides[1]
        return
    layer = layer or walk.own(node)
    if layer is None or not layer.convolution or layer.adds or layer.k is not None:
        raise refuse(node, "pools something else than the image behind a convolution")
    limit = layer if walk.layer is None and walk.below is not None else None
    if limit is not None:
        layer = walk.chain.layers[limit.sources[0]]  # maxima commute with limits
        if walk.chain.readers(limit.sources[0]) > 1:
            raise refuse(node, "pools activations that another branch takes; pool them in front")
    if node.op_type not in POOLING:
        raise refuse(node, "multiplies sums of a layer that are not quantized; quantize them first")
    POOLING[node.op_type](walk.graph, node, layer, walk.layer is not None)
    if limit is not None:
        limit.in_shape = layer.out_shape
    walk.pooled()


def _is_quantized_next(walk: Walk, node: onnx.NodeProto) -> bool:
    """Whether a quantizer follows a node, behind nothing but changes of sizes."""
    nodes = walk.graph.consumers(node.output[0])
    while len(nodes) == 1 and nodes[0].op_type in (*RESHAPING, *PASSING):
        nodes = walk.graph.consumers(nodes[0].output[0])
    return len(nodes) == 1 and nodes[0].op_type == "QuantizeLinear"


def quantize(walk: Walk, node: onnx.NodeProto) -> None:
    """QuantizeLinear: ends a layer, or quantizes the image."""
    found = activation(walk.graph, node)
    if walk.integers:
        raise refuse(node, "integers are quantized again")
    if walk.layer is not None and _goes_on(walk, node):
        walk.between = True
        walk.chain.dropped.append(
            f"{label(node)}: sums rounded to 8 bits in steps of {found.single_scale:.6g} within a "
            "layer; the machine rounds once, behind it"
        )
    elif walk.layer is not None:
        walk.close(node, found.single_scale, walk.span_of(node, found))
    elif walk.first:
        _quantize_image(walk, node, found)
    elif found.single_scale != walk.scale or not _holds(walk, walk.span_of(node, found)):
        raise refuse(
            node, f"scale {walk.scale:.6g}, zero point {walk.kept} changes to scale "
            f"{found.single_scale:.6g}, zero point {found.zero_point} of {found.kind}; export one "
            "quantization behind a layer"
        )  # fmt: skip
    else:
        walk.kept, walk.limit = walk.span_of(node, found)
    walk.integers, walk.kind, walk.quantizer = True, found.kind, found


def _holds(walk: Walk, span: tuple[int, int]) -> bool:
    """Whether integers of this span hold the activations as they are."""
    return span[0] == walk.kept and span[1] >= walk.limit


def _quantize_image(walk: Walk, node: onnx.NodeProto, found: Quantizer) -> None:
    if walk.scale:
        raise refuse(node, "quantizes the image a second time")
    given = f"{walk.chain.image}, then " if walk.chain.image else ""
    walk.chain.image = (
        f"{given}round(pixel / {found.single_scale:.8g}) + {found.zero_point + found.offset}, "
        f"halves to even, limited to 0..255: the model's {node.op_type} is left to you"
    )


def _goes_on(walk: Walk, node: onnx.NodeProto) -> bool:
    """Whether a quantizer stands between operators of one layer: signed, and behind it Relu, or a
    factor or offset for each channel.
    """
    found = activation(walk.graph, node)
    layer = walk.layer
    if layer is None or layer.relu or layer.floors or not found.zero_point + found.offset:
        return False
    behind = walk.graph.consumers(node.output[0])
    if len(behind) != 1 or behind[0].op_type != "DequantizeLinear":
        return False
    after = walk.graph.consumers(behind[0].output[0])
    if len(after) != 1 or after[0].op_type not in WITHIN:
        return False
    if _weighs_side(walk, after[0]):
        return False
    others = [name for name in after[0].input if name != behind[0].output[0]]
    return all(not name or walk.graph.is_constant(name) for name in others)


def _adopt_zero(walk: Walk, found: Quantizer) -> None:
    """Take the zero point of integers that a Cast has made, which says nothing of it."""
    layer = walk.last
    if layer is not None and layer.floors and found.kind == "uint8" and not walk.kept:
        layer.zero = walk.kept = found.zero_point + found.offset


def dequantize(walk: Walk, node: onnx.NodeProto) -> None:
    """DequantizeLinear: activations in steps of its scale."""
    found = activation(walk.graph, node, walk.kind)
    if not walk.integers:
        raise refuse(node, "dequantizes what is not quantized")
    if walk.between:
        walk.between = walk.integers = False
        return
    if not walk.first:
        _adopt_zero(walk, found)
        if walk.span_of(node, found) != (walk.kept, walk.limit):
            raise refuse(node, "its zero point is not that of the quantization in front of it")
    else:
        walk.chain.scale = found.single_scale
        walk.chain.zero_point = found.zero_point + found.offset
    walk.scale, walk.integers = found.single_scale, False


def relu(walk: Walk, node: onnx.NodeProto) -> None:
    """Relu: on sums, or without effect on activations."""
    if walk.layer is not None:
        walk.layer.relu = True
    elif walk.first:
        raise refuse(node, "in front of the first layer")
    elif walk.kept:
        raise refuse(node, f"{KEPT}; quantize once, behind Relu")


def clip(walk: Walk, node: onnx.NodeProto) -> None:
    """Clip: Relu with an upper limit."""
    if len(node.input) > 1:
        low, high = (_bound(walk, node, at) for at in (1, 2))
    else:
        low, high = (attributes(node).get(key) for key in ("min", "max"))
    if walk.first and walk.integers:
        _clip_image(walk, low, high)
        return
    behind = walk.layer is None and walk.integers  # of activations that cannot be below 0
    if low is None or (low > walk.zero if behind else low != 0):
        raise refuse(node, f"lower limit is {low}, needs 0")
    ceiling = np.inf if high is None else float(high)
    if walk.layer is not None:
        walk.layer.relu = True
        walk.layer.ceiling = min(walk.layer.ceiling, ceiling)
    elif walk.kept:
        raise refuse(node, f"{KEPT}; quantize once, behind the limits")
    elif not walk.first:
        step = 1.0 if walk.integers else walk.scale
        walk.limit_to(node, (ceiling - (walk.zero if walk.integers else 0)) / step)
    else:
        raise refuse(node, "in front of the first layer")


def _clip_image(walk: Walk, low: float | None, high: float | None) -> None:
    """Fewer than 8 bits of the image: the range of its integers."""
    offset = 128 if walk.kind == "int8" else 0
    chain = walk.chain
    chain.low = max(chain.low, 0 if low is None else int(low) + offset)
    chain.high = min(chain.high, 255 if high is None else int(high) + offset)
    chain.image = chain.image.replace("0..255", f"{chain.low}..{chain.high}")


def _bound(walk: Walk, node: onnx.NodeProto, at: int) -> float | None:
    """A limit of Clip; None if it is not given."""
    if len(node.input) <= at or not node.input[at]:
        return None
    value = scalar(walk.graph, node, at)
    if value is None:
        raise refuse(node, f"limit {node.input[at]!r} is not a constant number")
    return value


def floor(walk: Walk, node: onnx.NodeProto) -> None:
    """Floor: the layer rounds down."""
    walk.open(node).floors = True


def cast(walk: Walk, node: onnx.NodeProto) -> None:
    """Cast: between floats, or to the integers that Floor and Clip have made."""
    to = attributes(node).get("to")
    if to in (TensorProto.FLOAT, TensorProto.DOUBLE) and not walk.integers:
        if walk.layer is not None:
            kind = "double" if to == TensorProto.DOUBLE else "single"
            walk.layer.trace.append((kind, walk.layer.unit))
        return
    layer = walk.open(node)
    if to != TensorProto.UINT8 or not layer.floors or layer.ceiling != 255:
        raise refuse(node, "makes integers without limits 0 and 255")
    walk.close(node, 1.0)
    walk.integers, walk.kind = True, "uint8"


def add(walk: Walk, node: onnx.NodeProto) -> None:
    """Add: an offset for each channel."""
    if _prepares(walk, node):
        return
    layer, values = _operand(walk, node)
    if layer.relu:
        if values.min() < 0 or values.min() != values.max():
            raise refuse(node, "adds different or negative values behind Relu")
        layer.late += float(values[0])
    else:
        layer.offset += values
    layer.trace.append(("add", values))


def multiply(walk: Walk, node: onnx.NodeProto) -> None:
    """Mul: a factor for each channel."""
    if _prepares(walk, node):
        return
    if walk.layer is None and not walk.first and not walk.integers and walk.factors is None:
        walk.factors = side_weights(walk, node)
        return
    layer, values = _operand(walk, node)
    if layer.late or np.isfinite(layer.ceiling) or (layer.relu and values.min() < 0):
        raise refuse(node, "a factor below 0, or behind limits")
    if values.min() < 0:
        turn(node, layer, values < 0)
        layer.trace.append(("multiply", np.sign(values) + (values == 0)))
    layer.gain *= np.abs(values)
    layer.offset *= np.abs(values)
    layer.trace.append(("multiply", np.abs(values)))


def _weighs_side(walk: Walk, node: onnx.NodeProto) -> bool:
    """Whether a node gives weights to one side of an addition of activations."""
    behind = walk.graph.consumers(node.output[0])
    added = node.op_type == "Mul" and len(behind) == 1 and behind[0].op_type == "Add"
    return added and not any(walk.graph.is_constant(name) for name in behind[0].input)


def side_weights(walk: Walk, node: onnx.NodeProto) -> Weights:
    """Weights of the activations for an addition right behind ``node``, one a channel. Raises
    OnnxError if there is none, or they are no constant.
    """
    if not _weighs_side(walk, node):
        raise refuse(node, "only between a layer and its quantization")
    name = node.input[1 if node.input[0] == walk.name else 0]
    channels = walk.layout.shape[0]
    constant = walk.graph.constant(name)
    if constant is None:
        found = weights(walk.graph, name, node, 0)
    else:
        found = Weights(np.asarray(constant, dtype=np.float64), np.ones(1))
    sizes = [size for size in found.values.shape if size > 1]
    if sizes not in ([], [channels]) or not np.isfinite(found.values).all():
        raise refuse(node, f"constant {list(found.values.shape)} for {channels} channels")
    return found


def _prepares(walk: Walk, node: onnx.NodeProto) -> bool:
    """Whether a node works on the image in front of its quantizer; it is left to the user."""
    if walk.layer is not None or not walk.first or walk.integers or walk.scale:
        return False
    given = f"{walk.chain.image}, " if walk.chain.image else ""
    walk.chain.image = f"{given}the model's {label(node)}"
    return True


def turn(node: onnx.NodeProto, layer: RawLayer, kernels: np.ndarray) -> None:
    """Change the signs of these kernels' sums, so that their factors are positive."""
    if layer.positions > 1 and layer.pooling == "max":
        raise refuse(node, "a factor below 0 behind maximum pooling; place it before the pooling")
    if (layer.weight[kernels] == -128).any():
        raise refuse(node, "a factor below 0 for weights of -128; quantize weights symmetrically")
    layer.weight = layer.weight.copy()
    layer.weight[kernels] *= -1
    layer.offset[kernels] *= -1


def _operand(walk: Walk, node: onnx.NodeProto) -> tuple[RawLayer, np.ndarray]:
    layer = walk.open(node)
    if layer.floors:
        raise refuse(node, "between rounding and quantization")
    if len(node.input) != 2:
        raise refuse(node, "needs two inputs")
    other = node.input[1 if node.input[0] == walk.name else 0]
    last = walk.layout.channels_last or not layer.convolution
    behind = 0 if last else len(walk.layout.axes) - 1
    return layer, per_channel(walk.graph, node, other, layer, behind=behind)


def reshape(walk: Walk, node: onnx.NodeProto) -> None:
    """Flatten, Reshape, Squeeze or Unsqueeze."""
    dims = target_dims(walk.graph, node, walk.layout.dims)
    walk.layout.reshape(node, dims, first=walk.first)


def transpose(walk: Walk, node: onnx.NodeProto) -> None:
    """Transpose."""
    walk.layout.transpose(node, first=walk.first)


def keep(walk: Walk, node: onnx.NodeProto) -> None:
    """An operator that does nothing at inference."""
    del walk, node


HANDLERS: dict[str, Callable[[Walk, onnx.NodeProto], None]] = {
    "Add": add,
    "Cast": cast,
    "Clip": clip,
    "DequantizeLinear": dequantize,
    "Dropout": keep,
    "Floor": floor,
    "Identity": keep,
    "Mul": multiply,
    "Pad": pad,
    "QuantizeLinear": quantize,
    "Relu": relu,
    "Transpose": transpose,
    **dict.fromkeys(POOLING, pool),
    **dict.fromkeys(RESHAPING, reshape),
    **dict.fromkeys(MULTIPLYING, multiply_add),
}
"""What is read between the input and the logits, by operator."""
