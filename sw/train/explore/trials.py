"""Trials: students of the same teacher and length, and whole recipes with several seeds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from twofold.hw.contract import presets
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Complementary, Dense, Network
from twofold.sw.model.net import SparseNet
from twofold.sw.train.explore.cost import cycles, products
from twofold.sw.train.loop import Phase, Trainer, accuracy
from twofold.sw.train.point import move
from twofold.sw.train.recipe import recipe
from twofold.sw.train.run import train, with_residual_teacher

VARIANTS = ("sparse-dense", "fast", "accurate")


@dataclass(frozen=True)
class Trial:
    """A student.

    Attributes
    ----------
    name: label in tables.
    network, phase: what is trained, and how.
    predictions: whether it learns a teacher's predictions, or only labels.
    """

    name: str
    network: Network
    phase: Phase
    predictions: bool = True


@dataclass(frozen=True)
class Figure:
    """Result of a trial; accuracies are those of the float network unless ``name`` says int8.

    Attributes
    ----------
    name: of the trial.
    epochs: of the student.
    val, test: share of correct samples in the two splits, 0..1.
    products: multiplications per sample, at most.
    cycles: per sample, on the multipliers of a machine.
    """

    name: str
    epochs: int
    val: float
    test: float
    products: int
    cycles: int


def pareto(net: str, scale: float) -> list[Trial]:
    """Design points around the presets: taps, sets and winners."""
    phase = student(net, "fast", scale)
    fast = presets.network(net, "fast")
    points = [presets.network(net, variant) for variant in VARIANTS]
    points += _gsc_points(fast) if net == "gsc" else [move(fast, taps=2), move(fast, taps=6)]
    return [Trial(describe(point), point, phase) for point in points]


def _gsc_points(fast: Network) -> list[Network]:
    return [
        move(fast, taps=3, winners=(4, 6, 100)),
        move(fast, winners=(6, 6, 150)),
        move(fast, winners=(12, 8, 150), sets=(2, 60)),
        move(fast, taps=6, winners=(8, 8, 150)),
        move(fast, taps=10, winners=(16, 16, 200), sets=(16, 100)),
    ]


def ablation(net: str, scale: float) -> list[Trial]:
    """The preset ``fast``, with one technique at a time left out."""
    phase, fast = student(net, "fast", scale), presets.network(net, "fast")
    without = {
        "as shipped": phase,
        "mixing": replace(phase, mix=0.5),
        "no averaging": replace(phase, average=0.0),
        "all winners used": replace(phase, used=()),
        "masks and winners final from the start": replace(phase, open_until=0.0),
        "masks fixed from the start": replace(phase, open_until=0.0, move_until=0.0),
    }
    found = [Trial(name, fast, changed) for name, changed in without.items()]
    everything = replace(fast, layers=tuple(replace(layer, k=None) for layer in fast.layers))
    weights = replace(fast, layers=tuple(replace(layer, sparsity=Dense()) for layer in fast.layers))
    return [
        *found,
        Trial("labels alone", fast, replace(phase, distil=0.0, smoothing=0.05), predictions=False),
        Trial("sparse weights, all winners", everything, phase),
        Trial("all weights, winners", weights, phase),
    ]


STUDIES: dict[str, Callable[[str, float], list[Trial]]] = {
    "pareto": pareto,
    "ablation": ablation,
}
SEEDS = 3


def student(net: str, variant: str, scale: float) -> Phase:
    """Student phase of the shipped recipe, shortened; all variants get the length of ``fast``."""
    phase, longest = (recipe(net, name, scale=scale).student for name in (variant, "fast"))
    if phase is None or longest is None:
        raise ValueError(f"{variant} has no student")
    return replace(phase, epochs=longest.epochs)


def describe(network: Network) -> str:
    """Name of a design point: mean taps or weights per kernel, sets and winners."""
    first, *rest = network.layers
    taps = network.stages[0].weights / network.stages[0].channels
    sets = [str(layer.sparsity.sets) for layer in rest if isinstance(layer.sparsity, Complementary)]
    winners = [str(layer.k or "all") for layer in network.layers[:-1]]
    kind = "weights" if first.FLATTENS else "taps"
    return f"{taps:g} {kind}, sets {'/'.join(sets)}, k {'/'.join(winners)}"


def run(
    trials: Iterable[Trial],
    net: str,
    trainer: Trainer,
    report: Callable[[Figure], None],
    folding: Folding,
) -> list[Figure]:
    """Train the teacher of the shipped recipe and every student; ``report`` is called after each.

    ``folding``: of the machine whose multipliers the cycles are for.
    """
    plan = recipe(net, "fast")
    distilling = with_residual_teacher(plan, trainer.source, trainer, {})
    teacher, origin = distilling.run(plan.dense, plan.teacher)
    figures = []
    for trial in trials:
        on = distilling if trial.predictions else trainer
        found, _ = on.run(trial.network, trial.phase, teacher, origin)
        figures.append(_figure(trial, found, folding, trainer))
        report(figures[-1])
    return figures


def seeds(
    net: str,
    scale: float,
    trainer: Trainer,
    report: Callable[[Figure], None],
    folding: Folding,
) -> list[Figure]:
    """Whole recipes, from teacher to integers, of every variant with `SEEDS` seeds each.

    ``scale``: factor on the epochs of every phase. ``report`` is called after each network.
    ``folding``: of the machine whose multipliers the cycles are for.
    """
    figures: list[Figure] = []
    for seed in range(SEEDS):
        for variant in presets.VARIANTS:
            plan = recipe(net, variant, seed=seed, scale=scale)
            found = train(plan, trainer.source, trainer).accuracy
            floating = found["dense float" if plan.student is None else "sparse float"]
            for kind, right in (("float", floating), ("int8", found["int8"])):
                figures.append(
                    Figure(
                        name=f"{variant} {kind}, seed {seed}",
                        epochs=(plan.student or plan.teacher).epochs,
                        val=right["val"], test=right["test"],
                        products=products(plan.network), cycles=cycles(plan.network, folding),
                    )
                )  # fmt: skip
                report(figures[-1])
    return figures


def _figure(trial: Trial, found: SparseNet, folding: Folding, trainer: Trainer) -> Figure:
    val, test = (accuracy(found, *trainer.source.split(name)) for name in ("val", "test"))
    return Figure(
        name=trial.name, epochs=trial.phase.epochs, val=round(val, 5), test=round(test, 5),
        products=products(trial.network), cycles=cycles(trial.network, folding),
    )  # fmt: skip
