"""True classes of samples, as numbers or as the class names in the artefact."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.errors import DatasetError

SHOWN = 20
"""Maximum number of names that a message lists."""


def as_labels(
    network: QuantizedNetwork, array: NDArray[Any], count: int, what: str
) -> NDArray[np.int64]:
    """Classes int64 [count], from integers or names of shape [count] or [count, 1].

    Raises DatasetError for another shape, a number out of range, or an unknown name.
    """
    if array.shape not in ((count,), (count, 1)):
        hint = "; one of n classes each: y.argmax(axis=1)" if array.ndim == 2 else ""
        raise DatasetError(
            f"{what}: labels of shape {list(array.shape)} for {count} samples, "
            f"needs [{count}]{hint}"
        )
    flat, labels = array.reshape(-1), network.network.labels
    if flat.dtype.kind in "iu":
        wrong = np.flatnonzero((flat < 0) | (flat >= len(labels)))
        if len(wrong):
            raise DatasetError(
                f"{what}: label {int(flat[wrong[0]])} of sample {int(wrong[0])}, "
                f"{network.network.name} has classes 0..{len(labels) - 1}"
            )
        return flat.astype(np.int64)
    if flat.dtype.kind not in "US":
        raise DatasetError(
            f"{what}: holds {flat.dtype}, needs integers or names of classes ({listed(labels)})"
        )
    return _by_name(network, [_text(name) for name in flat.tolist()], what)


def _text(name: str | bytes) -> str:
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name


def _by_name(network: QuantizedNetwork, names: list[str], what: str) -> NDArray[np.int64]:
    places = {name: index for index, name in enumerate(network.network.labels)}
    unknown = sorted(set(names) - places.keys())
    if unknown:
        raise DatasetError(f"{what}: {no_labels(network, unknown)}")
    return np.array([places[name] for name in names], dtype=np.int64)


def no_labels(network: QuantizedNetwork, names: list[str]) -> str:
    """Message that ``names`` are not classes, and which classes there are."""
    return (
        f"{listed(names)}: no class of {network.network.name} is called so, they are "
        f"{listed(network.network.labels)}"
    )


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Names for a message, shortened."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name) for name in names[:SHOWN]) + more


def balanced(labels: Sequence[int] | NDArray[np.int64], count: int, seed: int = 2) -> list[int]:
    """Indices of ``count`` labels (all, if there are fewer), classes as balanced as possible, in a
    random order determined by ``seed``.
    """
    generator = np.random.default_rng(seed)
    queues: dict[int, list[int]] = {}
    for at in generator.permutation(len(labels)):
        queues.setdefault(int(labels[at]), []).append(int(at))
    order = sorted(
        (turn, int(generator.integers(1 << 30)), at)
        for queue in queues.values()
        for turn, at in enumerate(queue)
    )
    return [at for _, _, at in order[:count]]
