"""Samples with their true classes, to measure accuracy on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.errors import DatasetError
from twofold.sw.inputs import arrays
from twofold.sw.inputs.digits import has_examples, read_digits
from twofold.sw.inputs.folders import read_classes, read_speech
from twofold.sw.inputs.labels import as_labels, balanced
from twofold.sw.inputs.reading import Done, sample_names
from twofold.sw.inputs.result import shown

SPLITS = ("train", "val", "test", "all")
FORMS = "x.npy y.npy, a .npz with x and y, or a folder with a folder for each class"


@dataclass(frozen=True, eq=False)
class Labelled:
    """Samples and their classes.

    Attributes
    ----------
    samples: uint8 ``[n, channels, height, width]``, n > 0.
    labels: int64 ``[n]``, indices into the network's labels.
    names: of the samples, for display: what each one is, or where it comes from.
    source: where the samples come from, for display.
    """

    samples: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    source: str


def read_labelled(
    network: QuantizedNetwork,
    paths: Sequence[Path] = (),
    *,
    split: str | None = None,
    count: int | None = None,
    done: Done | None = None,
) -> Labelled:
    """Samples for ``network`` with their classes.

    Parameters
    ----------
    network: states what its input is and the names of its classes.
    paths: ``x.npy y.npy``; or one ``.npz`` file with ``x`` and ``y``; or one folder: recordings in
        the layout of Google Speech Commands for a network that takes audio, otherwise one subfolder
        of pictures or arrays per class, named after it; or nothing, for the examples that the
        artefact names.
    split: ``train``, ``val``, ``test`` or ``all``, for data that has splits; None takes ``test`` if
        there is one, else everything.
    count: maximum number of samples, classes as balanced as possible; None takes all.
    done: called with the progress.

    Raises
    ------
    DatasetError: no data, labels that do not fit, or files that cannot be used (names all of them).
    InputError: an array that cannot be used. ToolError: a package is missing.
    """
    if split is not None and split not in SPLITS:
        raise DatasetError(f"split is {split!r}, choose one of {', '.join(SPLITS)}")
    if not network.network.labels:
        raise DatasetError(f"{network.network.name} has no classes to compare with")
    if not paths:
        return _examples(network, split, count)
    first = paths[0]
    if len(paths) == 1 and first.is_dir():
        if network.input["kind"] == "audio":
            return Labelled(*read_speech(network, first, split, count, done))
        _refuse_split(split, first)
        return _chosen(Labelled(*read_classes(network, first, done)), count)
    _refuse_split(split, first)
    return _chosen(_arrays(network, paths), count)


def _chosen(found: Labelled, count: int | None) -> Labelled:
    """``count`` of the samples, or all of them in order."""
    if count is None:
        return found
    at = balanced(found.labels, count)
    names = tuple(found.names[index] for index in at)
    return Labelled(found.samples[at], found.labels[at], names, found.source)


def _examples(network: QuantizedNetwork, split: str | None, count: int | None) -> Labelled:
    if not has_examples(network):
        raise DatasetError(f"no data for {network.network.name}: give {FORMS}")
    samples, labels, names = read_digits(network, split or "test")
    return _chosen(Labelled(samples, labels, tuple(names), "digits of scikit-learn"), count)


def _arrays(network: QuantizedNetwork, paths: Sequence[Path]) -> Labelled:
    suffixes = tuple(path.suffix.lower() for path in paths)
    if suffixes == (".npz",):
        source, (x, y) = shown(paths[0]), arrays.load(paths[0])
        if y is None:
            raise DatasetError(f"{paths[0]}: has no labels y; give {FORMS}")
    elif suffixes == (".npy", ".npy"):
        source = f"{shown(paths[0])}, {shown(paths[1])}"
        (x, _), (y, _) = map(arrays.load, paths)
    else:
        names = ", ".join(map(shown, paths[:3]))
        raise DatasetError(f"{names}{', ...' * (len(paths) > 3)}: give {FORMS}")
    samples = arrays.as_samples(network, x, str(paths[0]))
    labels = as_labels(network, y, len(samples), str(paths[-1]))
    return Labelled(samples, labels, tuple(sample_names(paths[0], len(samples))), source)


def _refuse_split(split: str | None, path: Path) -> None:
    if split not in (None, "all"):
        raise DatasetError(f"{path}: has no splits, so there is no split {split!r}")
