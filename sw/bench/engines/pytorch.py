"""PyTorch in eager mode: float32 with oneDNN, int8 with its quantized operators."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from twofold.hw.contract.network import Conv2d, Layer, Linear, Network, Stage
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.bench.floats import float_layers
from twofold.sw.bench.job import Engine, Job, Run
from twofold.sw.errors import OnnxError
from twofold.sw.model.convolution import convolved
from twofold.sw.model.pooling import REAL, pooled
from twofold.sw.onnx.export.graph import ACTIVATION_SCALE, weight_scale
from twofold.sw.quantize.integer import keep_winners

_wrapped: Any = torch.__dict__["_make_per_tensor_quantized_tensor"]
"""Makes a quantized tensor from integers, scale and zero point, without rounding again."""


class PyTorch:
    """Networks as plain functions, in channels-last layout."""

    version = str(torch.__version__)

    def __init__(self) -> None:
        warnings.filterwarnings("ignore", message=".*deprecated.*")
        torch.set_num_interop_threads(1)

    def load(self, job: Job) -> Run:
        quantized = QuantizedNetwork.load(job.artefact)
        forward = float_forward(quantized) if job.precision == "fp32" else _integers(quantized)

        @torch.inference_mode()
        def run(inputs: np.ndarray) -> np.ndarray:
            torch.set_num_threads(job.threads)
            return forward(torch.from_numpy(inputs)).numpy()

        return run


def float_forward(quantized: QuantizedNetwork) -> Callable[[Tensor], Tensor]:
    """The float network as a function of `twofold.sw.bench.floats.float_inputs`."""
    layers = [(torch.from_numpy(w), torch.from_numpy(b)) for w, b in float_layers(quantized)]
    return forward_of(quantized.network, layers)


def forward_of(
    network: Network, parameters: Sequence[tuple[Tensor, Tensor]]
) -> Callable[[Tensor], Tensor]:
    """A network in floating point as a function of inputs ``[samples, channels, height, width]``.

    ``parameters``: weights and bias of every layer, of the inputs' type and on their device.
    """
    last = torch.channels_last
    layers = [
        (stage, weight.contiguous(memory_format=last) if weight.ndim == 4 else weight, bias)
        for stage, (weight, bias) in zip(network.stages, parameters, strict=True)
    ]

    def forward(x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=last)
        for stage, weight, bias in layers:
            x = _KINDS[type(stage.layer)].real(stage, x, weight, bias)
            x = x if stage.last else F.relu_(x)
        return x.flatten(1)

    return forward


def _integers(quantized: QuantizedNetwork) -> Callable[[Tensor], Tensor]:
    zero_point = quantized.network.zero_point
    layers = [
        (stage, _packed(stage, layer.weight, weight_scale(stage, layer), bias))
        for stage, layer, (_, bias) in zip(
            quantized.network.stages, quantized.layers, float_layers(quantized), strict=True
        )
    ]

    def forward(inputs: Tensor) -> Tensor:
        x = _wrapped(inputs, ACTIVATION_SCALE, zero_point)
        x = x.contiguous(memory_format=torch.channels_last)
        for stage, packed in layers:
            x = _product(stage, x, packed)
            if stage.last:
                return x.flatten(1)
            x = _winners(pooled(stage, x, REAL), stage.k)
        return x

    return forward


def _packed(stage: Stage, weight: np.ndarray, scale: float, bias: np.ndarray):
    integers = _wrapped(torch.from_numpy(weight), scale, 0)
    offset = torch.from_numpy(bias)
    return _KINDS[type(stage.layer)].pack(stage, integers, offset)


def _product(stage: Stage, x: Tensor, packed) -> Tensor:
    return _KINDS[type(stage.layer)].product(stage, x, packed)


def _convolution(stage: Stage, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return pooled(stage, convolved(stage, x, weight, bias), REAL)


def _packed_convolution(stage: Stage, integers: Tensor, offset: Tensor):
    top, left, bottom, right = stage.edges
    if (top, left) != (bottom, right):
        raise OnnxError(f"{stage.name}: PyTorch's int8 convolution pads both sides alike")
    sides = list(stage.strides), [top, left], [1, 1]
    return torch.ops.quantized.conv2d_prepack(integers, offset, *sides, 1)


def _linear(_: Stage, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x.flatten(1), weight, bias)


def _linear_product(stage: Stage, x: Tensor, packed) -> Tensor:
    quantized, x = torch.ops.quantized, x.flatten(1)
    if stage.last:
        return quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            x.dequantize(), x.q_scale(), x.q_zero_point(), packed
        )
    return quantized.linear_relu(x, packed, ACTIVATION_SCALE, 0)


@dataclass(frozen=True)
class _Kind:
    """A kind of layer: the float layer, packing of its integers, and the integer layer."""

    real: Callable[[Stage, Tensor, Tensor, Tensor], Tensor]
    pack: Callable[[Stage, Tensor, Tensor], Any]
    product: Callable[[Stage, Tensor, Any], Tensor]


_KINDS: dict[type[Layer], _Kind] = {
    Conv2d: _Kind(
        _convolution,
        _packed_convolution,
        lambda _, x, packed: torch.ops.quantized.conv2d_relu(x, packed, ACTIVATION_SCALE, 0),
    ),
    Linear: _Kind(
        _linear,
        lambda _, integers, offset: torch.ops.quantized.linear_prepack(integers, offset),
        _linear_product,
    ),
}


def _winners(x: Tensor, k: int) -> Tensor:
    """``x`` with zeros for all but the ``k`` largest channels, ties to the lower index."""
    if k >= x.shape[1]:
        return x
    return _wrapped(keep_winners(x.int_repr(), k), ACTIVATION_SCALE, 0)


def engine() -> Engine:
    """The engine."""
    return PyTorch()
