"""Recipes: the training phases of each network, with tuned hyperparameters."""

from dataclasses import dataclass, replace
from typing import Any

from twofold.hw.contract import presets
from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import Network
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.model.residual import ResidualShape
from twofold.sw.train.loop import Phase
from twofold.sw.train.point import densified, relabel


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    network: the result.
    dense: the same shape with all weights and activations.
    residual: phase of the residual teacher, whose predictions all other networks learn; None if
        there is no such teacher and students learn from the dense network.
    shards: epochs of stored views (`twofold.sw.train.views`), used with a residual teacher.
    teacher: phase of the dense network.
    student: phase that derives ``network`` from it; None if ``network`` is dense.
    polish: final phase of quantization-aware training.
    start: network that the student continues from instead of the dense one.
    given: trained network of the shape ``dense``, which takes the place of the teacher's phase.
    teachers: number of residual teachers, from different seeds; students learn the mean of their
        predictions.
    """

    network: Network
    dense: Network
    residual: Phase | None
    shards: int
    teacher: Phase
    student: Phase | None
    polish: Phase
    start: QuantizedNetwork | None = None
    given: QuantizedNetwork | None = None
    teachers: int = 1

    @property
    def residuals(self) -> tuple[Phase, ...]:
        """Phases of all residual teachers; none if there is no such teacher."""
        if self.residual is None:
            return ()
        seeds = range(self.residual.seed, self.residual.seed + self.teachers * APART, APART)
        return tuple(replace(self.residual, seed=seed) for seed in seeds)

    @property
    def shape(self) -> ResidualShape:
        """Shape of the residual teacher."""
        return ResidualShape(len(self.network.labels), self.network.zero_point)


_RESIDUAL = {
    "gsc": Phase(
        name="residual", epochs=26, rate=3e-3, decay=0.03, dropout=0.2, average=0.998,
    ),
}  # fmt: skip
_SHARDS = 32
APART = 1000
"""Distance of the seeds of a recipe's residual teachers."""
_TEACHERS = {
    "gsc": Phase(name="teacher", epochs=24, rate=4e-3, dropout=0.2, smoothing=0.0, average=0.998),
    "tiny": Phase(name="teacher", epochs=300, rate=4e-3, dropout=0.2),
}
_STUDENTS = {
    "gsc": Phase(
        name="student", epochs=45, rate=3e-3, smoothing=0.0, open_until=0.5, average=0.998,
        used=(0.095, 0.125, 0.1, 1.0),
    ),
    "tiny": Phase(name="student", epochs=400, rate=4e-3, open_until=0.5, distil=0.7),
}  # fmt: skip
_STUDENT_CHANGES: dict[tuple[str, str], dict[str, Any]] = {
    ("gsc", "accurate"): {"epochs": 36},
    ("gsc", "sparse-dense"): {"epochs": 40},
    ("gsc", "pruned"): {"epochs": 30, "density": 0.043},  # with the last layer 5 % of all weights
    ("tiny", "pruned"): {"density": 0.15},
}
"""Fields of the student's phase that differ, by network and variant."""
_CONTINUED: dict[str, Any] = {"name": "continued", "epochs": 140, "rate": 2e-3, "open_until": 0.0}
"""Fields of the student's phase that differ if it continues from a network."""
_POLISH = {
    "gsc": Phase(name="polish", epochs=2, rate=2e-4, smoothing=0.0, move_until=0.0),
    "tiny": Phase(name="polish", epochs=40, rate=2e-4, move_until=0.0),
}
"""The weight of the teacher's prediction is that of the student's phase."""


def recipe(
    name: str, variant: str, *, seed: int = 0, scale: float = 1.0, network: Network | None = None,
    start: QuantizedNetwork | None = None, teachers: int = 1,
) -> Recipe:  # fmt: skip
    """Recipe of a shipped network, or of one near it.

    Parameters
    ----------
    name, variant: as in `twofold.hw.contract.presets.network`.
    seed: of all randomness but the residual teachers', who take longest to train and with their
        stored views serve every seed.
    network: trained instead of the preset: another design point or task
        (`twofold.sw.train.point`).
    scale: factor on the epochs of every phase, for short trials; at least one epoch remains.
    teachers: as in `Recipe`.
    start: network that the student continues from; its masks and winners are final from the start.

    Raises
    ------
    NetworkError: unknown name or variant, or ``start`` has other shapes.
    """
    network = network or presets.network(name, variant)
    student = replace(_STUDENTS[name], **_STUDENT_CHANGES.get((name, variant), {}))
    if start is not None:
        student = replace(student, **_CONTINUED)
        _check_shapes(start.network, network)
    dense = _dense(name, network)

    def adapt(phase: Phase) -> Phase:
        epochs = max(min(1, phase.epochs), round(phase.epochs * scale))
        return replace(phase, seed=seed, epochs=epochs)

    sparse = any(stage.fan_in < stage.inputs for stage in network.stages)
    sparse = sparse or student.density < 1
    return Recipe(
        network=network,
        dense=dense,
        residual=replace(adapt(_RESIDUAL[name]), seed=0) if name in _RESIDUAL else None,
        shards=max(1, round(_SHARDS * scale)),
        teacher=adapt(_TEACHERS[name]),
        student=adapt(student) if sparse else None,
        polish=adapt(replace(_POLISH[name], distil=student.distil)),
        start=start,
        teachers=teachers,
    )


def _dense(name: str, network: Network) -> Network:
    """The shapes of ``network`` with all weights and activations."""
    dense = presets.network(name, "dense")
    own = densified(network)
    if own.layers[:-1] != dense.layers[:-1]:
        return own
    if network.labels != dense.labels:
        return relabel(dense, network.name.partition("-")[0], network.labels)
    return dense


def _check_shapes(start: Network, network: Network) -> None:
    for mine, other in zip(start.stages, network.stages, strict=False):
        if (mine.in_shape, mine.out_shape, mine.kernel) != (
            other.in_shape, other.out_shape, other.kernel,
        ):  # fmt: skip
            raise NetworkError(
                f"start: {mine.name} of {start.name} makes {list(mine.out_shape)} of "
                f"{list(mine.in_shape)}, {other.name} of {network.name} "
                f"{list(other.out_shape)} of {list(other.in_shape)}; start from another network"
            )
    if len(start.stages) != len(network.stages):
        raise NetworkError(
            f"start: {start.name} has {len(start.stages)} layers, {network.name} "
            f"{len(network.stages)}; start from another network"
        )
