"""Recipes: the phases that lead to each network, and the numbers that they were found to need."""

from dataclasses import dataclass, replace
from typing import Any

from twofold.hw.contract import presets
from twofold.hw.contract.network import Network
from twofold.sw.train.loop import Phase
from twofold.sw.train.point import relabel


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    network: what comes out.
    dense: the same shape with all weights and activations: the teacher.
    teacher: phase of the dense network.
    student: phase that makes ``network`` from it; None when the dense network is wanted.
    polish: phase of quantization-aware training at the end.
    """

    network: Network
    dense: Network
    teacher: Phase
    student: Phase | None
    polish: Phase


_TEACHERS = {
    "gsc": Phase(name="teacher", epochs=70, rate=4e-3, dropout=0.3, smoothing=0.1, average=0.998),
    "tiny": Phase(name="teacher", epochs=300, rate=4e-3, dropout=0.2),
}
_STUDENTS = {
    "gsc": Phase(
        name="student", epochs=160, rate=3e-3, open_until=0.6, distil=0.9, mix=0.5, average=0.998,
        used=0.103,
    ),
    "tiny": Phase(name="student", epochs=400, rate=4e-3, open_until=0.5, distil=0.7),
}  # fmt: skip
_STUDENT_CHANGES: dict[tuple[str, str], dict[str, Any]] = {
    ("gsc", "accurate"): {"epochs": 120, "distil": 0.7, "mix": 0.0},
    ("gsc", "sparse-dense"): {"epochs": 40},
    ("gsc", "pruned"): {"epochs": 30, "density": 0.043},  # with the last layer 5 % of all weights
    ("tiny", "pruned"): {"density": 0.15},
}
"""What students of some variants do otherwise."""
_POLISH = {
    "gsc": Phase(name="polish", epochs=4, rate=2e-4, move_until=0.0),
    "tiny": Phase(name="polish", epochs=40, rate=2e-4, move_until=0.0),
}
"""Taught as the student is."""


def recipe(
    name: str, variant: str, *, seed: int = 0, scale: float = 1.0, network: Network | None = None
) -> Recipe:
    """Recipe of a shipped network; raises NetworkError for unknown names.

    Parameters
    ----------
    name, variant: as in `twofold.hw.contract.presets.network`.
    seed: of everything random.
    network: a point near the preset or another task (`twofold.sw.train.point`), to take instead of
        it.
    scale: factor on the epochs of every phase, for quick trials; one epoch is the least.
    """
    network = network or presets.network(name, variant)
    student = replace(_STUDENTS[name], **_STUDENT_CHANGES.get((name, variant), {}))
    dense = presets.network(name, "dense")
    if network.labels != dense.labels:
        dense = relabel(dense, network.name.partition("-")[0], network.labels)

    def adapt(phase: Phase) -> Phase:
        return replace(phase, seed=seed, epochs=max(1, round(phase.epochs * scale)))

    sparse = any(stage.fan_in < stage.inputs for stage in network.stages)
    sparse = sparse or student.density < 1
    return Recipe(
        network=network,
        dense=dense,
        teacher=adapt(_TEACHERS[name]),
        student=adapt(student) if sparse else None,
        polish=adapt(replace(_POLISH[name], distil=student.distil, mix=student.mix)),
    )
