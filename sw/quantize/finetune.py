"""Quantization-aware training with bit-exact integer arithmetic in the forward pass.

The forward pass computes exactly what the hardware does, with integers held in float32. In the
backward pass, rounding counts as the identity (straight-through estimator), the clamp passes
gradients only inside its range, and activations that are not winners pass none.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from twofold.hw.contract.arith import ACT_MAX, WEIGHT_MAX, WEIGHT_MIN
from twofold.hw.contract.network import Network, Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.model import native
from twofold.sw.model.joining import centre, read
from twofold.sw.model.pooling import square_maximum
from twofold.sw.quantize.integer import accumulate, exact_dtype, keep_winners

UNIT = 64.0
"""Integer weight that a trained parameter of 1.0 stands for, so that usual learning rates apply."""


class IntegerLayer(nn.Module):
    """A layer whose integers are being trained. Weights that start at 0 are masked and stay 0."""

    mask: Tensor

    def __init__(self, stage: Stage, layer: QuantizedLayer) -> None:
        super().__init__()
        whole = torch.from_numpy(layer.weight).float()
        self.stage, self.shift = stage, layer.shift
        self.convolution = not stage.layer.FLATTENS
        self.rounding = float(1 << (layer.shift - 1)) if layer.shift else 0.0
        self.rounding += float(stage.layer.zero << layer.shift)
        bias = torch.from_numpy(layer.add).float() - self.rounding
        bias += centre(stage, whole)
        self.bias_unit = UNIT * 2.0**layer.shift if layer.shift else float(bias.abs().max()) + 1.0
        self.weight = nn.Parameter(whole / UNIT)
        self.bias = nn.Parameter(bias / self.bias_unit)
        self.register_buffer("mask", (whole != 0).float())

    def integers(self) -> tuple[Tensor, Tensor]:
        """Weights and additive constants: integers in float32 that gradients pass through."""
        weight = _straight_through(self.weight * UNIT, torch.round)
        weight = weight.clamp(WEIGHT_MIN, WEIGHT_MAX) * self.mask
        bias = _straight_through(self.bias * self.bias_unit, torch.round)
        add = bias + self.rounding - centre(self.stage, weight)
        limit = 2.0 ** (self.stage.add_bits - 1)
        return weight, add.clamp(-limit, limit - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Output activations [N, channels, rows, cols] or [N, units]: integers in float32."""
        weight, add = self.integers()
        acc = self._accumulate(x, weight)
        acc = acc + add.view(-1, *(1,) * (acc.ndim - 2))
        if self.stage.last:
            return acc
        scaled = _straight_through(acc / 2.0**self.shift, torch.floor).clamp(0, ACT_MAX)
        with torch.no_grad():
            won = keep_winners(scaled, self.stage.k) > 0
        return (scaled * won).float()

    def _accumulate(self, x: Tensor, weight: Tensor) -> Tensor:
        stage = self.stage
        kind = exact_dtype(weight, stage.terms)
        plain = stage.stride == 1 and stage.padding == 0 and stage.channels % native.LANES == 0
        if self.convolution and plain and square_maximum(stage):
            side = stage.pool_window[0]
            if stage.index == 0 and x.shape[1] == 1:
                return native.conv_pool(x, weight, side).permute(0, 3, 1, 2)
            if stage.index > 0 and kind == torch.float32 and native.is_sparse(x):
                last = x.permute(0, 2, 3, 1)
                return native.sparse_conv_pool(last, weight, side).permute(0, 3, 1, 2)
        return accumulate(stage, x.to(kind), weight.to(kind), float(self.stage.zero))

    def quantized(self) -> QuantizedLayer:
        """The current integers."""
        weight, add = (value.detach() for value in self.integers())
        return QuantizedLayer(
            weight=weight.to(torch.int8).numpy(), add=add.to(torch.int32).numpy(), shift=self.shift
        )


class IntegerNet(nn.Module):
    """A quantized network under training; its logits always equal those of the hardware.

    Parameters
    ----------
    start: the integers to begin with.

    Raises
    ------
    ValueError: a layer has multipliers, which are not trained.
    """

    def __init__(self, start: QuantizedNetwork) -> None:
        super().__init__()
        if any(layer.mul is not None for layer in start.layers):
            raise ValueError("layers with multipliers are not trained in integers")
        self.network: Network = start.network
        self.logit_scale = start.logit_scale
        self.layers = nn.ModuleList(
            IntegerLayer(stage, layer)
            for stage, layer in zip(self.network.stages, start.layers, strict=True)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Scaled logits [N, classes] of images uint8 [N, (channels,) rows, cols]."""
        x = (images[:, None] if images.ndim == 3 else images).float()
        values = {-1: x}
        for stage, layer in zip(self.network.stages, self.layers, strict=True):
            x = values[stage.index] = layer(read(stage, values))
        return (x * self.logit_scale).float()

    def quantized(self, start: QuantizedNetwork) -> QuantizedNetwork:
        """The current network; everything that is not trained is taken from ``start``."""
        layers = [layer.quantized() for layer in self.layers if isinstance(layer, IntegerLayer)]
        return replace(start, layers=tuple(layers))


def _straight_through(value: Tensor, rounding: Callable[[Tensor], Tensor]) -> Tensor:
    """Straight-through estimator: rounded ``value`` with the gradient of ``value``.

    Both the difference and the sum are exact in floating point, so the result is an integer.
    """
    return value + (rounding(value) - value).detach()
