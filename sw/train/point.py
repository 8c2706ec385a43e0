"""Design points that trade accuracy against multiplications: a preset with other sparsity."""

import math
from collections.abc import Sequence
from dataclasses import replace

from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import Complementary, Layer, Network, Taps
from twofold.hw.contract.sparsified import VARIANTS, Sparsities, variant_of


def move(
    network: Network,
    *,
    taps: float | None = None,
    winners: Sequence[int] | None = None,
    sets: Sequence[int] | None = None,
    fan_in: int | None = None,
) -> Network:
    """The same layers with other sparsity; None leaves a parameter unchanged.

    Parameters
    ----------
    taps: mean taps per kernel in layers with `Taps`; the fractional part goes to the first kernels,
        one extra tap each.
    winners: k of every layer that selects winners, in order.
    sets: number of sets of every complementary layer, in order.
    fan_in: most weights per unit, in complementary linear layers.

    Raises
    ------
    NetworkError: a list has the wrong length, a number does not fit its layer, or there is no layer
        that has the parameter.
    """
    layers = list(network.layers)
    if taps is not None:
        places = [at for at, layer in enumerate(layers) if isinstance(layer.sparsity, Taps)]
        _some(network, places, "taps")
        for at in places:
            layers[at] = replace(layers[at], sparsity=_spread(layers[at], taps))
    if winners is not None:
        places = [at for at, layer in enumerate(layers) if layer.k is not None]
        for at, k in _matched(places, winners, "winners"):
            layers[at] = replace(layers[at], k=k)
    if sets is not None:
        complementary = [
            at for at, layer in enumerate(layers) if isinstance(layer.sparsity, Complementary)
        ]
        for at, count in _matched(complementary, sets, "sets"):
            layers[at] = replace(layers[at], sparsity=Complementary(count))
    if fan_in is not None:
        places = [
            at for at, layer in enumerate(layers)
            if layer.FLATTENS and isinstance(layer.sparsity, Complementary)
        ]  # fmt: skip
        _some(network, places, "complementary sets in a linear layer, whose fan-in this is")
        for at in places:
            sparsity = replace(layers[at].sparsity, fan_in=fan_in)
            layers[at] = replace(layers[at], sparsity=sparsity)
    return replace(network, layers=tuple(layers))


def densified(network: Network) -> Network:
    """The same shapes with all weights and all activations."""
    return renamed(variant_of(network, VARIANTS[0], Sparsities()), VARIANTS[0])


def renamed(network: Network, variant: str) -> Network:
    """``network``, with a name that ends in ``variant``."""
    stem = network.name
    for other in sorted(VARIANTS, key=len, reverse=True):
        stem = stem.removesuffix(f"-{other}")
    return replace(network, name=f"{stem}-{variant}")


def relabel(network: Network, task: str, labels: Sequence[str]) -> Network:
    """The same network for the classes of another task; its name begins with ``task``."""
    last = replace(network.layers[-1], out_features=len(labels))
    name = f"{task}-{network.name.partition('-')[2]}"
    return replace(network, name=name, labels=tuple(labels), layers=(*network.layers[:-1], last))


def _spread(layer: Layer, taps: float) -> Taps:
    kernels = len(layer.sparsity.counts) if isinstance(layer.sparsity, Taps) else 0
    least = math.floor(taps)
    more = round((taps - least) * kernels)
    return Taps((least + 1,) * more + (least,) * (kernels - more))


def _some(network: Network, places: Sequence[int], what: str) -> None:
    if not places:
        raise NetworkError(f"{network.name} has no {what}")


def _matched(places: list[int], values: Sequence[int], what: str) -> list[tuple[int, int]]:
    if len(places) != len(values):
        raise NetworkError(
            f"{what}: {len(values)} numbers for {len(places)} layers that have {what}"
        )
    return list(zip(places, values, strict=True))
