"""Mixup: weighted sums of two images, with targets weighted alike."""

import torch
from torch import Tensor
from torch.nn import functional as F


def targets(labels: Tensor, classes: int) -> Tensor:
    """One-hot probabilities, float32 [N, classes], of labels [N]."""
    return F.one_hot(labels, classes).float()


def mix(
    images: Tensor, target: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mix images with others of the same batch.

    Parameters
    ----------
    images: uint8 [N, rows, cols].
    target: probabilities [N, classes].
    share: of the images that are mixed; the others stay unchanged.
    generator: source of all randomness.

    Returns
    -------
    Images uint8 and probabilities of the same shapes; mixing weights are uniform in 0..1.
    """
    count = len(images)
    partner = torch.randperm(count, generator=generator)
    weight = torch.rand(count, generator=generator)
    weight = torch.where(torch.rand(count, generator=generator) < share, weight, 1.0)
    pixels, pixel_weight = images.float(), weight.view(-1, *[1] * (images.ndim - 1))
    mixed = pixels * pixel_weight + pixels[partner] * (1 - pixel_weight)
    weight = weight[:, None]
    return mixed.round().to(torch.uint8), target * weight + target[partner] * (1 - weight)
