"""The epoch of a phase that does best on the validation split; its weights are the result."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass
class Best:
    """Weights of the best epoch so far; the later of two equal ones.

    Attributes
    ----------
    val: share of the validation split that it classified correctly; -1 before the first epoch.
    values: state of the network then, averaged where the phase averages.
    """

    val: float = -1.0
    values: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def offer(self, net: nn.Module, val: float) -> None:
        """Keep a copy of the weights of ``net`` if ``val`` is at least the best so far."""
        if val >= self.val:
            self.val = val
            self.values = {name: value.clone() for name, value in net.state_dict().items()}

    def apply(self, net: nn.Module) -> None:
        """Give ``net`` the weights of the best epoch; it keeps its own if there was none."""
        if self.values:
            net.load_state_dict(self.values)

    def state_dict(self) -> dict[str, Any]:
        """Plain tree for a checkpoint."""
        return {"val": self.val, "values": self.values}

    def load_state_dict(self, tree: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned. Raises KeyError if a value is missing."""
        self.val, self.values = float(tree["val"]), dict(tree["values"])
