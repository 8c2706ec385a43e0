"""Networks of your own: what is trained, and the phases of its training."""

import math
from dataclasses import replace

from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import Dense, Grouped, Network
from twofold.hw.contract.sparsified import Sparsities, variant_of
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.errors import TrainingError
from twofold.sw.train.loop import Phase
from twofold.sw.train.point import VARIANTS, densified, renamed
from twofold.sw.train.recipe import Recipe

_TEACHER = Phase(name="teacher", epochs=2500, rate=4e-3, smoothing=0.0, average=0.99)
_STUDENT = Phase(
    name="student", epochs=4000, rate=3e-3, smoothing=0.0, open_until=0.5, average=0.99, distil=0.5
)
_POLISH = Phase(name="polish", epochs=250, rate=2e-4, smoothing=0.0, move_until=0.0, distil=0.5)
"""The phases; their epochs stand for steps here."""
_EPOCHS_MIN, _EPOCHS_MAX = 4, 400


def describe(
    network: Network, variant: str = "sparse-sparse", shares: Sparsities | None = None
) -> Network:
    """Description to train for the shapes of ``network``.

    Parameters
    ----------
    network: a description; multipliers are not trained, and dropped.
    variant: one of `twofold.sw.train.point.VARIANTS`.
    shares: of the weights and activations that are kept. None keeps the structure of a network
        that is sparse already, and otherwise takes the defaults of
        `twofold.hw.contract.sparsified.Sparsities`.

    Raises TrainingError for another variant, or if the network has no classes.
    """
    if variant not in VARIANTS:
        raise TrainingError(f"variant is {variant!r}, choose one of {', '.join(VARIANTS)}")
    if not network.labels:
        raise TrainingError(f"{network.name} has no classes, and only classes are trained")
    network = _without_multipliers(network)
    if variant == "sparse-sparse" and shares is None and is_sparse(network):
        return network
    return renamed(variant_of(network, variant, shares or Sparsities()), variant)


def structured(network: Network, structure: Network) -> Network:
    """Description to train for the shapes of ``network``, with the sparsities and winners of
    ``structure``. Raises NetworkError if that has other shapes.
    """
    structure = replace(
        _without_multipliers(structure), labels=network.labels, zero_point=network.zero_point
    )
    shapes = [densified(_without_multipliers(each)) for each in (structure, network)]
    if len({(each.input_shape, each.layers) for each in shapes}) > 1:
        raise NetworkError(f"{structure.name} and {network.name} differ in more than sparsity")
    return structure


def _without_multipliers(network: Network) -> Network:
    layers = tuple(replace(layer, multiplier=False) for layer in network.layers)
    return replace(network, layers=layers)


def is_sparse(network: Network) -> bool:
    """Whether any layer has sparse weights, beyond groups of channels, or winners."""
    return any(
        layer.k is not None or not isinstance(layer.sparsity, Dense | Grouped)
        for layer in network.layers
    )


def own_recipe(
    network: Network, steps: int, *, seed: int = 0, scale: float = 1.0,
    given: QuantizedNetwork | None = None,
) -> Recipe:  # fmt: skip
    """Recipe for ``network`` on data with ``steps`` steps an epoch; ``scale`` as in
    `twofold.sw.train.recipe.recipe`. ``given``: the network that it comes from; one that is dense
    already is not trained again.
    """

    def adapt(phase: Phase) -> Phase:
        epochs = min(max(math.ceil(phase.epochs / steps), _EPOCHS_MIN), _EPOCHS_MAX)
        return replace(phase, seed=seed, epochs=max(1, round(epochs * scale)))

    dense = densified(network)
    student = adapt(_STUDENT) if network.layers != dense.layers else None
    trained = student is not None and given is not None and given.network.layers == dense.layers
    return Recipe(
        network=network,
        dense=dense,
        residual=None,
        shards=0,
        teacher=adapt(_TEACHER),
        student=student,
        polish=adapt(_POLISH),
        given=given if trained else None,
    )
