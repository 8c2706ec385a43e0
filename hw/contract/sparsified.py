"""The shapes of a network with other structure: all weights, or shares of weights and winners."""

from dataclasses import dataclass, replace

from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.layers import Complementary, Dense, Grouped, Layer, Taps
from twofold.hw.contract.layers.sparsity import SLOTS_MAX
from twofold.hw.contract.network import Network, Stage

VARIANTS = ("dense", "sparse-dense", "sparse-sparse")
"""All weights and activations; sparse weights; sparse weights and winners."""
TAPS_MIN = 9
"""Least number of taps that a kernel of the first layer keeps."""


@dataclass(frozen=True)
class Sparsities:
    """What training would be asked for.

    Attributes
    ----------
    weights: share of the weights of a hidden layer that are kept, above 0, up to 1.
    activations: share of the activations that win, above 0, up to 1.

    Raises NetworkError for anything else.
    """

    weights: float = 0.1
    activations: float = 0.125

    def __post_init__(self) -> None:
        for what, value in (("weights", self.weights), ("activations", self.activations)):
            if not 0 < value <= 1:
                raise NetworkError(f"a share of {value:g} of the {what}, needs 0 < x <= 1")

    @staticmethod
    def given(weights: float | None, activations: float | None) -> "Sparsities | None":
        """The shares that are not None, with the defaults of the others; None without any."""
        shares = {"weights": weights, "activations": activations}
        known = {name: share for name, share in shares.items() if share is not None}
        return Sparsities(**known) if known else None


def variant_of(network: Network, variant: str, sparsities: Sparsities) -> Network:
    """The network with the structure of this variant; groups of convolutions stay, and layers that
    are added keep all activations, since both sides have as many.
    """
    stages = network.stages
    added = {source for stage in stages if len(stage.sources) > 1 for source in stage.sources}
    layers = [
        _layer(stage, variant, sparsities, selects=stage.index not in added) for stage in stages
    ]
    return replace(network, layers=tuple(layers))


def _layer(stage: Stage, variant: str, sparsities: Sparsities, *, selects: bool) -> Layer:
    layer, sparsity = stage.layer, stage.layer.sparsity
    dense = sparsity if isinstance(sparsity, Grouped) else Dense()
    if variant == "dense":
        return replace(layer, sparsity=dense, k=None)
    kept = dense if isinstance(dense, Grouped) or stage.last else _pruned(stage, sparsities.weights)
    winners = max(1, round(stage.channels * sparsities.activations))
    selects = selects and variant == "sparse-sparse" and not stage.last
    selects = (
        selects and winners < stage.channels and not layer.zero
    )  # where negative values are kept, all are
    return replace(layer, sparsity=kept, k=winners if selects else None)


def _pruned(stage: Stage, share: float) -> Dense | Taps | Complementary:
    if stage.index == 0 and not stage.layer.FLATTENS:
        taps = min(stage.inputs, max(TAPS_MIN, round(share * stage.inputs)))
        return Taps((taps,) * stage.channels) if taps < stage.inputs else Dense()
    sets = max(1, round(share * stage.channels), -(-stage.channels // SLOTS_MAX))
    return Complementary(sets) if sets < stage.channels else Dense()
