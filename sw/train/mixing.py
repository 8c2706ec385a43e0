"""Mixed images: two words laid over each other, and a target that says how much of each."""

import torch
from torch import Tensor
from torch.nn import functional as F


def targets(labels: Tensor, classes: int) -> Tensor:
    """Probabilities float32 [N, classes] of labels [N]."""
    return F.one_hot(labels, classes).float()


def mix(
    images: Tensor, wanted: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Lay images over others of the same batch.

    Parameters
    ----------
    images: uint8 [N, rows, cols].
    wanted: probabilities [N, classes].
    share: of the images that are mixed; the others stay as they are.
    generator: source of all randomness.

    Returns
    -------
    Images uint8 and probabilities of the same shapes; the weights of the two images are uniform.
    """
    words = len(images)
    partner = torch.randperm(words, generator=generator)
    kept = torch.rand(words, generator=generator)
    kept = torch.where(torch.rand(words, generator=generator) < share, kept, 1.0)
    over = images.float()
    mine = kept.view(-1, *[1] * (images.ndim - 1))
    mixed = over * mine + over[partner] * (1 - mine)
    part = kept[:, None]
    return mixed.round().to(torch.uint8), wanted * part + wanted[partner] * (1 - part)
