"""Short trials of points that were found to be fast enough."""

from collections.abc import Callable, Iterable, Sequence

from twofold.hw.contract.network import Network
from twofold.sw.train.explore.cost import products
from twofold.sw.train.explore.trials import Figure
from twofold.sw.train.loop import Trainer, accuracy
from twofold.sw.train.own import describe, own_recipe

Point = tuple[str, Network, int]
"""Its name, what is trained, and cycles per sample of its machine."""


def run(
    points: Iterable[Point],
    trainer: Trainer,
    steps: int,
    scale: float,
    report: Callable[[Figure], None],
) -> list[Figure]:
    """Train the dense network in full, and a student of every point for ``scale`` of the length of
    its recipe, at ``steps`` steps an epoch; ``report`` is called after each.
    """
    figures = []
    for name, wanted, cycles in points:
        network = describe(wanted)
        whole = own_recipe(network, steps)
        teacher, origin = trainer.run(whole.dense, whole.teacher)
        phase = own_recipe(network, steps, scale=scale).student or whole.teacher
        net, _ = trainer.run(network, phase, teacher, origin)
        val, test = (accuracy(net, *trainer.source.split(name)) for name in ("val", "test"))
        figures.append(
            Figure(
                name=name, epochs=phase.epochs, val=round(val, 5), test=round(test, 5),
                products=products(network), cycles=cycles,
            )
        )  # fmt: skip
        report(figures[-1])
    return figures


def best(figures: Sequence[Figure]) -> Figure:
    """The most accurate on val; of equals, the one with fewer multiplications."""
    return max(figures, key=lambda figure: (figure.val, -figure.products))
