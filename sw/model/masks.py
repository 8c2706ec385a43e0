"""Masks: which weights of a layer exist, chosen by magnitude within the hardware's structure."""

from collections.abc import Callable

import torch
from torch import Tensor

from twofold.hw.contract.network import Complementary, Dense, Grouped, Sparsity, Stage, Taps
from twofold.sw.artefacts.quantized import own_group
from twofold.sw.model import native

FIRST = 4
"""Factor on the density of the first layer."""
_ROUNDS = 150
"""Maximum rounds of the auction that distributes a set's positions evenly."""


def relaxed_count(stage: Stage, relaxation: float) -> int:
    """Size of a relaxed mask, in the unit of its structure.

    ``relaxation`` runs from 1 (all weights exist) to 0 (the final structure). The unit is: taps of
    the largest kernel, for `Taps`; kernels per set that use the same input position, for
    `Complementary`. A dense layer always has 1.
    """
    least, most = _RELAXED[type(stage.layer.sparsity)](stage)
    return round(least + (most - least) * relaxation)


_RELAXED: dict[type[Sparsity], Callable[[Stage], tuple[int, int]]] = {
    Dense: lambda _: (1, 1),
    Taps: lambda stage: (stage.fan_in, stage.inputs),
    Complementary: lambda stage: (1, stage.slots),
    Grouped: lambda _: (1, 1),
}
"""Sizes of the final mask and of one with all weights, by structure."""


@torch.no_grad()
def choose_mask(
    weight: Tensor, stage: Stage, relaxation: float = 0.0, density: float = 1.0
) -> Tensor:
    """Mask of ones and zeros, in the shape of ``weight``, that keeps the largest weights.

    At ``relaxation`` 0 the mask obeys the structure of `twofold.hw.contract.network`: the exact
    number of taps of every kernel, or one kernel of each set per position and no kernel above the
    fan-in. A dense hidden layer finally keeps the share ``density`` of its weights; the first
    layer, which has few, four times that; the last layer keeps all.
    """
    flat = weight.reshape(stage.channels, stage.inputs).abs()
    mask = _CHOICES[type(stage.layer.sparsity)](flat, stage, relaxation, density)
    return mask.reshape(weight.shape).contiguous()


def _dense_mask(flat: Tensor, stage: Stage, relaxation: float, density: float) -> Tensor:
    return _largest(flat, _share_kept(stage, relaxation, density))


def _taps_mask(flat: Tensor, stage: Stage, relaxation: float, _: float) -> Tensor:
    extra = relaxed_count(stage, relaxation) - stage.fan_in
    return _taps(flat, [min(count + extra, stage.inputs) for count in stage.fan_ins])


def _sets_mask(flat: Tensor, stage: Stage, relaxation: float, _: float) -> Tensor:
    kept = relaxed_count(stage, relaxation)
    flat = flat / flat.square().mean(1, keepdim=True).sqrt().clamp(min=1e-12)
    slots = _slots(flat, stage.sets, stage.slots)
    mask = _most(slots, kept) if kept > 1 else _one(slots, stage.fan_in)
    return mask.reshape(-1, stage.inputs)[: stage.channels]


def _groups_mask(flat: Tensor, stage: Stage, _: float, __: float) -> Tensor:
    """All weights of a kernel's own group, from the start."""
    return torch.from_numpy(own_group(stage)).to(flat.dtype)


_CHOICES: dict[type[Sparsity], Callable[[Tensor, Stage, float, float], Tensor]] = {
    Dense: _dense_mask,
    Taps: _taps_mask,
    Complementary: _sets_mask,
    Grouped: _groups_mask,
}
"""Masks ``[out, inputs]`` from magnitudes of weights, by structure."""


def _share_kept(stage: Stage, relaxation: float, density: float) -> float:
    least = 1.0 if stage.last else min(1.0, density * (FIRST if stage.index == 0 else 1))
    return least + (1 - least) * relaxation


def _largest(flat: Tensor, share: float) -> Tensor:
    """Mask of the largest weights, a ``share`` of all."""
    count = round(share * flat.numel())
    if count == flat.numel():
        return torch.ones_like(flat)
    mask = torch.zeros(flat.numel())
    mask[flat.flatten().topk(count, sorted=False).indices] = 1.0
    return mask.view_as(flat)


def _taps(flat: Tensor, counts: list[int]) -> Tensor:
    rank = flat.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return (rank < torch.tensor(counts)[:, None]).to(flat.dtype)


def _slots(flat: Tensor, sets: int, slots: int) -> Tensor:
    """Kernels [out, inputs] as [slot, set, inputs]; missing kernels of the last slot never win."""
    missing = slots * sets - len(flat)
    return torch.cat([flat, flat.new_full((missing, flat.shape[1]), -1.0)]).view(slots, sets, -1)


def _most(score: Tensor, kept: int) -> Tensor:
    return torch.zeros_like(score).scatter_(0, score.topk(kept, dim=0).indices, 1.0)


def _one(score: Tensor, fan_in: int) -> Tensor:
    """Assign each position of a set to one slot, with at most ``fan_in`` positions per slot.

    An auction: prices of slots with too many positions rise until the positions are spread evenly.
    The few in excess then move to slots with room, in order of increasing loss. If the slots
    together have less room than there are positions, each keeps its largest weights.
    """
    slots, sets, inputs = score.shape
    room, fan_in = fan_in, max(fan_in, -(-inputs // slots))
    worth = torch.where(score < 0, -1e9, score.clamp(min=1e-6).log()).contiguous()
    price = torch.zeros(slots, sets)
    owner, count = native.auction_round(worth, price)
    for step in range(_ROUNDS):
        if int(count.max()) <= fan_in:
            break
        price += (0.5 * (1 - step / _ROUNDS) + 0.02) * (count / (inputs / slots) - 1)
        owner, count = native.auction_round(worth, price)
    owner = owner.long()
    for group in range(sets):
        _repair((worth - price[..., None])[:, group], owner[group], fan_in)
    mask = torch.zeros_like(score).scatter_(0, owner[None], 1.0)
    if room == fan_in:
        return mask
    largest = (mask * score).topk(room, dim=2).indices
    return mask * torch.zeros_like(mask).scatter_(2, largest, 1.0)


def _repair(worth: Tensor, owner: Tensor, fan_in: int) -> None:
    """Move positions [inputs] of one set from slots above ``fan_in`` to others, in place."""
    count = torch.bincount(owner, minlength=len(worth))
    while int(count.max()) > fan_in:
        free = torch.where(count < fan_in, 0.0, -torch.inf)[:, None] + worth
        best, slot = free.max(0)
        loss = worth.gather(0, owner[None])[0] - best
        loss = torch.where(count[owner] > fan_in, loss, torch.inf)
        position = int(loss.argmin())
        count[owner[position]] -= 1
        owner[position] = slot[position]
        count[owner[position]] += 1
