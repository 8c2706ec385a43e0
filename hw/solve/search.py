"""The largest shares of weights and activations with which a network meets a target.

A machine is solved for every pair of shares. Of those that meet the target, only the ones that no
other one contains are worth training: more weights and more winners are never less accurate, but
for noise.
"""

from collections.abc import Callable
from dataclasses import dataclass

from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.network import Network
from twofold.hw.contract.sparsified import Sparsities, variant_of
from twofold.hw.solve.choose import Target, choose
from twofold.hw.solve.solver import Solution

WEIGHTS = (0.5, 0.3, 0.2, 0.15, 0.1, 0.05)
ACTIVATIONS = (0.5, 0.25, 0.15, 0.1, 0.05)


@dataclass(frozen=True)
class Point:
    """A pair of shares, and the machine that meets the target with them."""

    shares: Sparsities
    solution: Solution

    @property
    def name(self) -> str:
        """For tables."""
        return f"weights {self.shares.weights:g}, activations {self.shares.activations:g}"

    def contains(self, weights: float, activations: float) -> bool:
        """Whether neither share is larger than here."""
        return weights <= self.shares.weights and activations <= self.shares.activations


def search(network: Network, target: Target, say: Callable[[str], None]) -> list[Point]:
    """The largest points that meet ``target``, those with the most weights first.

    Raises FoldingError if there are none.
    """
    found: list[Point] = []
    for weights in WEIGHTS:
        for activations in ACTIVATIONS:
            if any(point.contains(weights, activations) for point in found):
                break  # and so are fewer winners
            say(f"{100 * weights:g} % of the weights, {100 * activations:g} % of the activations")
            shares = Sparsities(weights, activations)
            try:
                solution = choose(variant_of(network, "sparse-sparse", shares), target)
            except FoldingError:
                continue
            found.append(Point(shares, solution))
            break
    if not found:
        raise FoldingError(
            f"folding: no pair of shares reaches the target on {target.board.name}; allow more "
            "cycles, or take a larger board"
        )
    return found
