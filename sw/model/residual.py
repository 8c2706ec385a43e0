"""A residual network as teacher, which takes finer frames than the networks of the machine.

It never reaches the hardware. It is more accurate than the dense network that it teaches, and small
enough to train on one CPU core in half an hour.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from twofold.sw.model.net import INPUT_SCALE

EPSILON = 1e-5


@dataclass(frozen=True)
class ResidualShape:
    """Shape of a residual network.

    Attributes
    ----------
    stem: channels of the first convolution (7 x 5, stride 2 x 2).
    blocks: channels of every block.
    halved: for every block, its stride in time and in frequency.
    classes: outputs.
    zero_point: value in the image that represents 0.
    """

    classes: int
    zero_point: int
    stem: int = 24
    blocks: tuple[int, ...] = (32, 48, 64, 96, 96)
    halved: tuple[tuple[int, int], ...] = ((2, 1), (2, 2), (1, 1), (2, 2), (1, 1))


class Block(nn.Module):
    """Two 3 x 3 convolutions with BatchNorm, and a shortcut (1 x 1 where shapes differ)."""

    def __init__(self, before: int, channels: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels, EPSILON)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels, EPSILON)
        same = before == channels and stride == (1, 1)
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Output activations [N, channels, rows, cols]."""
        out = torch.relu_(self.norm1(self.first(x)))
        return torch.relu_(self.norm2(self.second(out)) + self.shortcut(x))


class ResidualNet(nn.Module):
    """Logits float32 [N, classes] of images uint8 [N, rows, cols] of any size.

    Parameters
    ----------
    shape: channels and strides.
    dropout: share of the averaged features that is dropped in training.
    """

    def __init__(self, shape: ResidualShape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        before = shape.stem
        self.stem = nn.Conv2d(1, before, (7, 5), 2, (3, 2), bias=False)
        self.norm = nn.BatchNorm2d(before, EPSILON)
        blocks: list[Block] = []
        for channels, stride in zip(shape.blocks, shape.halved, strict=True):
            blocks.append(Block(before, channels, stride))
            before = channels
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(before, shape.classes)
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, images: Tensor) -> Tensor:
        """Logits of ``images``."""
        x = (images[:, None].float() - self.shape.zero_point) / INPUT_SCALE
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.blocks(torch.relu_(self.norm(self.stem(x))))
        return self.head(self.dropout(x.mean((2, 3))))
