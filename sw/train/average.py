"""Exponential moving average of the weights, which is less noisy than the weights themselves."""

import torch
from torch import Tensor, nn

EVERY = 4
"""Steps between two updates."""


class Average:
    """Exponential moving average of all trained parameters and running statistics.

    Masks are not averaged: they are always the network's current ones.

    Parameters
    ----------
    net: network in training.
    decay: share of the average kept at each step of the optimiser; ramps up from 0.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self._live = {
            name: value for name, value in net.state_dict().items() if _averaged(name, value)
        }
        self.values = {name: value.clone() for name, value in self._live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average after step number ``step``."""
        if step % EVERY:
            return
        share = min(self.decay, (1 + step) / (10 + step)) ** EVERY
        for name, value in self.values.items():
            value.lerp_(self._live[name], 1 - share)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages, by the names of the network's state."""
        return self.values

    def load_state_dict(self, values: dict[str, Tensor]) -> None:
        """Continue from ``values``. Raises KeyError if one is missing."""
        for name, value in self.values.items():
            value.copy_(values[name])

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the network's values and the averages; a second call undoes the first."""
        for name, value in self.values.items():
            kept = self._live[name].clone()
            self._live[name].copy_(value)
            value.copy_(kept)


def _averaged(name: str, value: Tensor) -> bool:
    return value.is_floating_point() and not name.endswith("mask")
