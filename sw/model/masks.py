"""Masks: which weights of a layer exist, chosen by magnitude within the hardware's structure."""

from collections.abc import Callable

import torch
from torch import Tensor

from twofold.hw.contract.network import Complementary, Dense, Sparsity, Stage, Taps
from twofold.sw.model import native

FIRST = 4
"""Factor on the density of the first layer."""
_ROUNDS = 150
"""Rounds of the auction that shares a set's positions out evenly."""


def open_share(stage: Stage, relaxation: float) -> int:
    """Weights kept in an unfinished mask, in the unit of its structure.

    ``relaxation`` runs from 1 (all weights exist) to 0 (the final structure): of a layer of taps,
    taps of the largest kernel; of complementary sets, kernels that share a position; of a dense
    layer always 1.
    """
    least, most = _OPEN[type(stage.layer.sparsity)](stage)
    return round(least + (most - least) * relaxation)


_OPEN: dict[type[Sparsity], Callable[[Stage], tuple[int, int]]] = {
    Dense: lambda _: (1, 1),
    Taps: lambda stage: (stage.fan_in, stage.inputs),
    Complementary: lambda stage: (1, stage.slots),
}
"""Share kept in the final mask and in one with all weights."""


@torch.no_grad()
def choose_mask(
    weight: Tensor, stage: Stage, relaxation: float = 0.0, density: float = 1.0
) -> Tensor:
    """Mask of ones and zeros in the shape of ``weight`` that keeps large weights.

    At ``relaxation`` 0 the mask is one that `twofold.hw.contract.network` accepts: exactly the taps
    of every kernel, or one kernel of every set at each position and no kernel above the fan-in. A
    dense hidden layer keeps the share ``density`` of its weights at the end, the first layer four
    times that, as it has few; the last layer keeps all.
    """
    flat = weight.reshape(stage.channels, stage.inputs).abs()
    mask = _CHOICES[type(stage.layer.sparsity)](flat, stage, relaxation, density)
    return mask.reshape(weight.shape).contiguous()


def _dense_mask(flat: Tensor, stage: Stage, relaxation: float, density: float) -> Tensor:
    return _largest(flat, _share_kept(stage, relaxation, density))


def _taps_mask(flat: Tensor, stage: Stage, relaxation: float, _: float) -> Tensor:
    extra = open_share(stage, relaxation) - stage.fan_in
    return _taps(flat, [min(count + extra, stage.inputs) for count in stage.fan_ins])


def _sets_mask(flat: Tensor, stage: Stage, relaxation: float, _: float) -> Tensor:
    kept = open_share(stage, relaxation)
    flat = flat / flat.square().mean(1, keepdim=True).sqrt().clamp(min=1e-12)
    slots = _slots(flat, stage.sets, stage.slots)
    mask = _most(slots, kept) if kept > 1 else _one(slots, stage.fan_in)
    return mask.reshape(-1, stage.inputs)[: stage.channels]


_CHOICES: dict[type[Sparsity], Callable[[Tensor, Stage, float, float], Tensor]] = {
    Dense: _dense_mask,
    Taps: _taps_mask,
    Complementary: _sets_mask,
}
"""Masks ``[out, inputs]`` of magnitudes of weights, by the structure."""


def _share_kept(stage: Stage, relaxation: float, density: float) -> float:
    least = 1.0 if stage.last else min(1.0, density * (FIRST if stage.index == 0 else 1))
    return least + (1 - least) * relaxation


def _largest(flat: Tensor, share: float) -> Tensor:
    """Mask of the ``share`` of all weights that are largest."""
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
    """One slot for each position of a set, no slot above ``fan_in`` positions.

    An auction: prices rise on slots with too many positions until they spread evenly. The few that
    are left over then go to the slots with room, the least loss first. Where the slots together
    have no room for all positions, each keeps its largest weights.
    """
    slots, sets, inputs = score.shape
    room, fan_in = fan_in, max(fan_in, -(-inputs // slots))
    worth = torch.where(score < 0, -1e9, score.clamp(min=1e-6).log()).contiguous()
    price = torch.zeros(slots, sets)
    owner, count = native.auction_round(worth, price)
    for turn in range(_ROUNDS):
        if int(count.max()) <= fan_in:
            break
        price += (0.5 * (1 - turn / _ROUNDS) + 0.02) * (count / (inputs / slots) - 1)
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
