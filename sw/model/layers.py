"""Layers of a network in training: masked weights, normalisation, ReLU and k-winners.

Activations between layers are [samples, rows, cols, channels] or [samples, units]. The order inside
a layer is multiplication, pooling, BatchNorm, ReLU, k-winners; as long as every gain is positive,
this is the same as normalising before pooling.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.hw.contract.network import Add, Conv2d, Linear, Stage
from twofold.sw.model import native
from twofold.sw.model.convolution import convolved
from twofold.sw.model.joining import added
from twofold.sw.model.pooling import REAL, pooled, square_maximum

GAIN_MIN = 0.01
"""Gains are kept above this, so that pooling and normalisation commute."""
EPSILON = 1e-5
MOMENTUM = 0.02
DENSITY_STEP = 0.05
"""Step, in standard deviations, that lowers offsets while the density is twice its limit."""


def winners(x: Tensor, k: int) -> Tensor:
    """``x`` with all but the ``k`` largest values of the last axis set to 0; ties are all kept."""
    if k >= x.shape[-1]:
        return x
    least = torch.topk(x, k, dim=-1).values[..., -1:]
    return torch.where(x >= least, x, 0.0)


class NormWinners(nn.Module):
    """BatchNorm over all axes but the last, ReLU and k-winners over the last.

    Attributes
    ----------
    keeps: whether negative values are kept, without ReLU and winners.
    k: number of winners; may be changed at any time.
    used: largest share of non-zero values; None for no limit.
    density: share of non-zero values in the last batch; measured only if `used` is set.
    fused: use the fast kernels instead of stock PyTorch.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, k: int, *, keeps: bool = False) -> None:
        super().__init__()
        self.k, self.keeps = k, keeps
        self.used: float | None = None
        self.density = 0.0
        self.fused = True
        self.gain = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def affine(self) -> tuple[Tensor, Tensor]:
        """Scale and offset [channels] that the layer applies in evaluation."""
        scale = self.gain / torch.sqrt(self.variance + EPSILON)
        return scale, self.shift - self.mean * scale

    def forward(self, x: Tensor, half: bool = False) -> Tensor:
        """Normalise ``x``; ``half`` asks for bfloat16 instead of float32."""
        x = x.float().contiguous()
        mean, variance = self._moments(x) if self.training else (self.mean, self.variance)
        deviation = torch.sqrt(variance + EPSILON)
        if self.keeps:
            out = (x - mean) / deviation * self.gain + self.shift
            out = out.to(torch.bfloat16) if half else out
        elif self.fused and (self.training or not torch.is_grad_enabled()):
            out = native.norm_winners(
                x, gain=self.gain, shift=self.shift, mean=mean, deviation=deviation,
                k=self.k, half=half,
            )  # fmt: skip
        else:
            out = winners(torch.relu((x - mean) / deviation * self.gain + self.shift), self.k)
            out = out.to(torch.bfloat16) if half else out
        if self.training and self.used is not None:
            self.density = int(torch.count_nonzero(out)) / out.numel()
        return out

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the batch; also updates the running statistics for evaluation."""
        if self.fused:
            mean, variance = native.moments(x)
        else:
            axes = tuple(range(x.ndim - 1))
            mean, variance = x.mean(axes), x.var(axes, unbiased=False)
        with torch.no_grad():
            self.mean.lerp_(mean.detach(), MOMENTUM)
            self.variance.lerp_(variance.detach(), MOMENTUM)
        return mean, variance

    @torch.no_grad()
    def keep_bounds(self) -> None:
        """Clamp gains to `GAIN_MIN`, and lower all offsets by a small step while the density is
        above `used`. Call after every optimiser step.
        """
        self.gain.clamp_(min=GAIN_MIN)
        if self.used is not None and self.density > self.used:
            self.shift.sub_(self.gain * (DENSITY_STEP * (self.density / self.used - 1)))


class Layer(nn.Module):
    """One layer of a network, seen as a convolution or a matrix, in training.

    The mask has the shape of the weights, is 1 where a weight exists, and is set by the training
    loop (`twofold.sw.model.masks`). The gradient reaches masked weights too, so that they can grow
    back until the mask is final.

    Attributes
    ----------
    stage: the layer's description.
    weight: float32 [out, in, rows, cols] or [out, in] (channel, row, column flattened).
    """

    mask: Tensor

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.weight = nn.Parameter(torch.empty(stage.weight_shape))
        std = math.sqrt(2 * stage.groups / stage.inputs)
        if len(stage.sources) > 1:
            nn.init.ones_(self.weight)  # an addition, as in any residual network
        else:
            nn.init.normal_(self.weight, std=std)
        self.register_buffer("mask", torch.ones_like(self.weight))
        self.bias = nn.Parameter(torch.zeros(stage.channels)) if stage.last else None
        keeps = stage.layer.zero > 0
        self.norm = None if stage.last else NormWinners(stage.channels, stage.k, keeps=keeps)
        self.fused = True

    def effective(self, half: bool = False) -> Tensor:
        """Masked weights, in bfloat16 if ``half``; the gradient reaches all weights."""
        if self.fused:
            return native.mask_weights(self.weight, self.mask, half)
        absent = (self.weight * (1 - self.mask)).detach()
        weight = self.weight - absent
        return weight.to(torch.bfloat16) if half else weight

    def forward(self, x: Tensor) -> Tensor:
        """Output activations for ``x``, float32 or bfloat16; in training, of the same type. Of an
        addition, ``x`` is what `twofold.sw.model.joining.read` makes of both layers.
        """
        half = x.dtype == torch.bfloat16
        x = _PRODUCTS[type(self.stage.layer)](self, x, half)
        return x if self.norm is None else self.norm(x, half)

    def _convolve(self, x: Tensor, half: bool) -> Tensor:
        stage = self.stage
        plain = stage.stride == 1 and stage.padding == 0 and stage.channels % native.LANES == 0
        plain = plain and square_maximum(stage)
        if self.fused and plain and stage.index == 0 and x.shape[-1] == 1:
            side = stage.pool_window[0]
            return native.conv_pool(x.float().permute(0, 3, 1, 2), self.effective(), side)
        if self.fused and plain and not half and native.is_sparse(x):
            return native.sparse_conv_pool(x, self.effective(), stage.pool_window[0])
        out = convolved(stage, x.permute(0, 3, 1, 2), self.effective(half))
        return pooled(stage, out, REAL).permute(0, 2, 3, 1)

    def _add(self, x: Tensor, half: bool) -> Tensor:
        return added(self.stage, x, self.effective(half)).permute(0, 2, 3, 1)

    def _multiply(self, x: Tensor, half: bool) -> Tensor:
        if x.ndim == 4:
            x = x.permute(0, 3, 1, 2).flatten(1)
        out = F.linear(x, self.effective(half))
        return out if self.bias is None else out.float() + self.bias


_PRODUCTS = {Conv2d: Layer._convolve, Add: Layer._add, Linear: Layer._multiply}
"""Pooled sums of products, by kind of layer."""
