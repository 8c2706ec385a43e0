"""PyTorch, eager: float32 by oneDNN, int8 by its quantized operators."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from twofold.hw.contract.network import Conv2d, Stage
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.bench.floats import float_layers
from twofold.sw.bench.job import Engine, Job, Run
from twofold.sw.onnx.export.graph import ACTIVATION_SCALE, weight_scale

_wrapped: Any = torch.__dict__["_make_per_tensor_quantized_tensor"]
"""A quantized tensor of integers, scale and zero point, without rounding anything again."""


class PyTorch:
    """Networks as plain functions, channels last."""

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
    last = torch.channels_last
    layers = [
        (stage, torch.from_numpy(weight), torch.from_numpy(bias))
        for stage, (weight, bias) in zip(
            quantized.network.stages, float_layers(quantized), strict=True
        )
    ]
    layers = [(s, w.contiguous(memory_format=last) if w.ndim == 4 else w, b) for s, w, b in layers]

    def forward(x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=last)
        for stage, weight, bias in layers:
            if isinstance(stage.layer, Conv2d):
                x = F.conv2d(x, weight, bias, stage.stride, stage.padding)
                x = F.max_pool2d(x, stage.pool) if stage.pool > 1 else x
            else:
                x = F.linear(x.flatten(1), weight, bias)
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
            x = F.max_pool2d(x, stage.pool) if stage.pool > 1 else x
            x = _winners(x, stage.k)
        return x

    return forward


def _packed(stage: Stage, weight: np.ndarray, scale: float, bias: np.ndarray):
    integers = _wrapped(torch.from_numpy(weight), scale, 0)
    offset = torch.from_numpy(bias)
    if not isinstance(stage.layer, Conv2d):
        return torch.ops.quantized.linear_prepack(integers, offset)
    sides = [stage.stride] * 2, [stage.padding] * 2, [1, 1]
    return torch.ops.quantized.conv2d_prepack(integers, offset, *sides, 1)


def _product(stage: Stage, x: Tensor, packed) -> Tensor:
    quantized = torch.ops.quantized
    if isinstance(stage.layer, Conv2d):
        return quantized.conv2d_relu(x, packed, ACTIVATION_SCALE, 0)
    x = x.flatten(1)
    if stage.last:
        return quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            x.dequantize(), x.q_scale(), x.q_zero_point(), packed
        )
    return quantized.linear_relu(x, packed, ACTIVATION_SCALE, 0)


def _winners(x: Tensor, k: int) -> Tensor:
    """``x`` with zeros for all but the ``k`` largest channels, ties to the lower index."""
    channels = x.shape[1]
    if k >= channels:
        return x
    values = x.int_repr()
    order = torch.arange(channels - 1, -1, -1, dtype=torch.int32).view(-1, *[1] * (x.ndim - 2))
    keys = values.int() * channels + order
    least = keys.topk(k, dim=1).values[:, -1:]
    kept = torch.where(keys >= least, values, torch.zeros((), dtype=values.dtype))
    return _wrapped(kept, ACTIVATION_SCALE, 0)


def engine() -> Engine:
    """The engine."""
    return PyTorch()
