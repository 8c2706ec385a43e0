"""A network of `twofold.hw.contract.network` as a PyTorch module."""

from typing import cast

import torch
from torch import Tensor, nn

from twofold.hw.contract.network import Network
from twofold.sw.model.joining import entering
from twofold.sw.model.layers import Layer

INPUT_SCALE = 64.0
"""Steps of the input per 1.0."""


def half_is_fast() -> bool:
    """Whether this processor has bfloat16 instructions; without them it is slower than float32."""
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


class SparseNet(nn.Module):
    """Floating-point network with masks and winners.

    Parameters
    ----------
    network: its description; kernels are in canonical order.
    dropout: share of the inputs of linear layers that is dropped in training.
    """

    def __init__(self, network: Network, dropout: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.layers = nn.ModuleList(Layer(stage) for stage in network.stages)
        self.dropout = nn.Dropout(dropout)
        self.mixed = half_is_fast()

    def each_layer(self) -> list[Layer]:
        """The layers, in order."""
        return [cast(Layer, layer) for layer in self.layers]

    def forward(self, images: Tensor) -> Tensor:
        """Logits float32 [samples, classes] of images uint8 [samples, (channels,) rows, cols].

        Evaluation computes in float32. Training computes mostly in bfloat16 if ``mixed`` is set.
        """
        return self._logits(images, half=self.mixed and self.training)

    @torch.no_grad()
    def prediction(self, images: Tensor) -> Tensor:
        """Logits in evaluation mode, in bfloat16 if ``mixed`` is set: for use as a teacher."""
        training = self.training
        self.eval()
        logits = self._logits(images, half=self.mixed)
        self.train(training)
        return logits

    def _logits(self, images: Tensor, *, half: bool) -> Tensor:
        if images.ndim == 3:
            images = images[:, None]
        x = (images.float() - self.network.zero_point) / INPUT_SCALE
        x = x.permute(0, 2, 3, 1).contiguous()
        if half:
            x = x.to(torch.bfloat16)
        values = {-1: x}
        for layer in self.each_layer():
            x = entering(layer.stage, values)
            x = layer(self.dropout(x) if layer.stage.layer.FLATTENS else x)
            values[layer.stage.index] = x
        return x.float()

    def set_fused(self, fused: bool) -> None:
        """Choose between the fast kernels and stock PyTorch."""
        for layer in self.each_layer():
            layer.fused = fused
            if layer.norm is not None:
                layer.norm.fused = fused

    def keep_bounds(self) -> None:
        """Keep gains and offsets within bounds. Call after every optimiser step."""
        for layer in self.each_layer():
            if layer.norm is not None:
                layer.norm.keep_bounds()
