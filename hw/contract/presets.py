"""Networks and foldings that Twofold ships.

``network(name, variant)`` and ``folding(name, variant, size)`` are the only places that know the
numbers. Variants:

- ``dense``: all weights, all activations;
- ``pruned``: the dense network with most of its weights zero (95 % of the speech network's),
  wherever they were smallest; to the hardware it is dense, other engines may skip the zeros;
- ``sparse-dense``: sparse weights, all activations;
- ``fast``: sparse weights and winners, the point that fits one SLR at full speed (also called
  ``sparse-sparse``);
- ``accurate``: sparse weights and winners, more of both, close to the dense network's accuracy.
"""

from dataclasses import dataclass

from twofold.hw.contract.errors import FoldingError, NetworkError
from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding
from twofold.hw.contract.network import (
    Complementary,
    Conv2d,
    Dense,
    Linear,
    Network,
    Sparsity,
    Taps,
)

GSC_LABELS = (
    "silence",
    "unknown",
    "yes",
    "no",
    "up",
    "down",
    "left",
    "right",
    "on",
    "off",
    "stop",
    "go",
)
DIGITS = tuple(str(digit) for digit in range(10))
VARIANTS = ("dense", "pruned", "sparse-dense", "fast", "accurate")
ALIASES = {"sparse-sparse": "fast"}
NETWORKS = ("gsc", "tiny")
SIZES = ("small", "full")


def canonical_variant(variant: str) -> str:
    """Variant without its alias. Raises NetworkError for an unknown one."""
    variant = ALIASES.get(variant, variant)
    if variant not in VARIANTS:
        raise NetworkError(
            f"variant is {variant!r}, choose one of {', '.join((*VARIANTS, *ALIASES))}"
        )
    return variant


def network(name: str, variant: str = "fast") -> Network:
    """Shape of a shipped network. Raises NetworkError for unknown names."""
    variant = canonical_variant(variant)
    if name == "gsc":
        return _gsc(variant)
    if name == "tiny":
        return _tiny(variant)
    raise NetworkError(f"network is {name!r}, choose one of {', '.join(NETWORKS)}")


@dataclass(frozen=True)
class _Point:
    """Sparsity of the hidden layers; None where a layer keeps all weights or all activations.

    ``fan_in`` bounds the weights of a unit of the linear layer; None for an equal share.
    """

    taps: tuple[int, ...] | None = None
    sets: tuple[int | None, int | None] = (None, None)
    winners: tuple[int | None, int | None, int | None] = (None, None, None)
    fan_in: int | None = None


_POINTS = {
    ("gsc", "dense"): _Point(),
    ("gsc", "sparse-dense"): _Point((4,) * 64, (4, 60)),
    ("gsc", "fast"): _Point((4,) * 64, (4, 60), (6, 8, 150)),
    ("gsc", "accurate"): _Point((12,) * 64, (16, 60), (7, 10, 150), fan_in=54),
    ("tiny", "dense"): _Point(),
    ("tiny", "sparse-dense"): _Point((4,) * 16, (8, 16)),
    ("tiny", "fast"): _Point((4,) * 16, (8, 16), (6, 12, 20)),
    ("tiny", "accurate"): _Point((6,) * 16, (8, 16), (8, 16, 24)),
}


def _gsc(variant: str) -> Network:
    """Google Speech Commands: 32 frames x 32 mel bands, 12 classes."""
    point = _point("gsc", variant)
    return Network(
        name=f"gsc-{variant}",
        input_shape=(1, 32, 32),
        zero_point=96,
        labels=GSC_LABELS,
        layers=(
            Conv2d(out_channels=64, kernel=(5, 5), pool=2, k=point.winners[0],
                   sparsity=_taps(point)),
            Conv2d(out_channels=64, kernel=(5, 5), pool=2, k=point.winners[1],
                   sparsity=_sets(point.sets[0])),
            Linear(out_features=1500, k=point.winners[2],
                   sparsity=_sets(point.sets[1], point.fan_in)),
            Linear(out_features=12),
        ),
    )  # fmt: skip


def _tiny(variant: str) -> Network:
    """scikit-learn's digits: 8x8 pixels, 10 classes; every engine at work in seconds."""
    point = _point("tiny", variant)
    return Network(
        name=f"tiny-{variant}",
        input_shape=(1, 8, 8),
        labels=DIGITS,
        layers=(
            Conv2d(out_channels=16, kernel=(3, 3), pool=2, k=point.winners[0],
                   sparsity=_taps(point)),
            Conv2d(out_channels=32, kernel=(2, 2), pool=2, k=point.winners[1],
                   sparsity=_sets(point.sets[0])),
            Linear(out_features=64, k=point.winners[2], sparsity=_sets(point.sets[1])),
            Linear(out_features=10),
        ),
    )  # fmt: skip


def structure(variant: str) -> str:
    """Variant whose shape and folding ``variant`` shares: a pruned network is dense to hardware."""
    return "dense" if variant == "pruned" else variant


def _point(name: str, variant: str) -> _Point:
    return _POINTS[name, structure(variant)]


def _taps(point: _Point) -> Sparsity:
    return Taps(point.taps) if point.taps else Dense()


def _sets(sets: int | None, fan_in: int | None = None) -> Sparsity:
    return Complementary(sets, fan_in) if sets else Dense()


def folding(name: str, variant: str = "fast", size: str = "small") -> Folding:
    """Folding of a shipped network: ``small`` for quick builds, ``full`` for the speed of one SLR.

    Raises FoldingError for unknown sizes and combinations that are not shipped.
    """
    variant = canonical_variant(variant)
    key = name, structure(variant), size
    if key not in _FOLDINGS:
        shipped = ", ".join(" ".join(known) for known in _FOLDINGS)
        raise FoldingError(f"no folding {name} {variant} {size}; shipped: {shipped}")
    return _FOLDINGS[key]


def folding_for(network: Network, size: str = "small") -> Folding:
    """Shipped folding for a network with the name of a preset, as in ``gsc-fast``.

    Raises FoldingError or NetworkError when there is none.
    """
    name, _, variant = network.name.partition("-")
    return folding(name, variant, size)


_FOLDINGS = {
    ("gsc", "fast", "small"): Folding(
        (
            GatherFolding(rows=1, cols=14, streams=2),
            ScatterFolding(rows=1, cols=5, lanes=4),
            ScatterFolding(lanes=60, drain=15),
            ScatterFolding(lanes=12, drain=1),
        ),
    ),
    ("gsc", "fast", "full"): Folding(
        (
            GatherFolding(rows=14, cols=14, streams=3),
            ScatterFolding(rows=5, cols=5, engines=2, lanes=4),
            ScatterFolding(engines=3, lanes=60, drain=60),
            ScatterFolding(engines=3, lanes=12, drain=1),
        ),
        frames=4,
    ),
    ("gsc", "sparse-dense", "small"): Folding(
        (
            GatherFolding(rows=1, cols=14, streams=2),
            ScatterFolding(rows=1, cols=5, lanes=4),
            ScatterFolding(lanes=60, drain=15),
            ScatterFolding(lanes=12, drain=1),
        ),
    ),
    ("gsc", "sparse-dense", "full"): Folding(
        (
            GatherFolding(rows=7, cols=7, streams=4),
            ScatterFolding(rows=5, cols=1, engines=25, lanes=4),
            ScatterFolding(engines=5, lanes=60, drain=5),
            ScatterFolding(engines=5, lanes=12, drain=1),
        ),
        frames=3,
    ),
    ("gsc", "dense", "small"): Folding(
        (
            GatherFolding(rows=1, cols=14, streams=2),
            ScatterFolding(rows=1, cols=5, lanes=16),
            ScatterFolding(lanes=100, drain=10),
            ScatterFolding(lanes=12, drain=1),
        ),
    ),
    ("gsc", "dense", "full"): Folding(
        (
            GatherFolding(rows=7, cols=14, streams=1),
            ScatterFolding(rows=5, cols=5, lanes=32),
            ScatterFolding(lanes=750, drain=5),
            ScatterFolding(lanes=12, drain=1),
        ),
        frames=3,
    ),
    ("gsc", "accurate", "small"): Folding(
        (
            GatherFolding(rows=1, cols=14, streams=2),
            ScatterFolding(rows=1, cols=5, lanes=4),
            ScatterFolding(lanes=60, drain=15),
            ScatterFolding(lanes=12, drain=1),
        ),
    ),
    ("gsc", "accurate", "full"): Folding(
        (
            GatherFolding(rows=7, cols=7, streams=11),
            ScatterFolding(rows=5, cols=1, engines=3, lanes=16),
            ScatterFolding(lanes=60, drain=12),
            ScatterFolding(lanes=12, drain=1),
        ),
        frames=3,
    ),
    ("tiny", "accurate", "small"): Folding(
        (GatherFolding(), ScatterFolding(), ScatterFolding(lanes=4, drain=2), ScatterFolding()),
        input_bytes=8,
    ),
    ("tiny", "accurate", "full"): Folding(
        (
            GatherFolding(rows=3, cols=3, streams=4),
            ScatterFolding(engines=2, lanes=8),
            ScatterFolding(engines=1, lanes=16, drain=16),
            ScatterFolding(engines=2, lanes=10, drain=1),
        ),
        frames=3,
    ),
    ("tiny", "fast", "small"): Folding(
        (GatherFolding(), ScatterFolding(), ScatterFolding(lanes=4, drain=2), ScatterFolding()),
        input_bytes=8,
    ),
    ("tiny", "fast", "full"): Folding(
        (
            GatherFolding(rows=3, cols=3, streams=4),
            ScatterFolding(engines=2, lanes=8),
            ScatterFolding(engines=1, lanes=16, drain=16),
            ScatterFolding(engines=2, lanes=10, drain=1),
        ),
        frames=3,
    ),
    ("tiny", "sparse-dense", "small"): Folding(
        (GatherFolding(), ScatterFolding(), ScatterFolding(lanes=4, drain=2), ScatterFolding()),
        input_bytes=8,
    ),
    ("tiny", "sparse-dense", "full"): Folding(
        (
            GatherFolding(rows=3, cols=3, streams=4),
            ScatterFolding(engines=4, lanes=8),
            ScatterFolding(engines=1, lanes=16, drain=16),
            ScatterFolding(engines=2, lanes=10, drain=1),
        ),
        frames=4,
    ),
    ("tiny", "dense", "small"): Folding(
        (
            GatherFolding(),
            ScatterFolding(lanes=4),
            ScatterFolding(lanes=8, drain=2),
            ScatterFolding(),
        ),
        input_bytes=8,
    ),
    ("tiny", "dense", "full"): Folding(
        (
            GatherFolding(rows=3, cols=3, streams=3),
            ScatterFolding(engines=4, lanes=16),
            ScatterFolding(engines=1, lanes=32, drain=16),
            ScatterFolding(engines=2, lanes=10, drain=1),
        ),
        frames=3,
    ),
}
