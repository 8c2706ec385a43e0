"""Read the files a user names, whatever kind of input they are."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import TwofoldError
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.errors import InputError
from twofold.sw.inputs import arrays, pictures
from twofold.sw.inputs.audio import read_audio
from twofold.sw.inputs.result import Failure, Inputs, empty, shown

Done = Callable[[int, int], None]
"""Called with the number of files done and the total."""


def read_inputs(
    network: QuantizedNetwork, paths: Sequence[Path], *, done: Done | None = None
) -> Inputs:
    """Samples for ``network`` from files: arrays for any network (`twofold.sw.inputs.arrays`),
    recordings of a word for one that takes audio, pictures for one that takes pictures.

    Files that cannot be used end up in ``failures`` and do not stop the others from being read;
    `Inputs.complete` raises for them. An array file gives as many samples as it holds, named as in
    ``x.npy[3]``; every other file gives one.

    Parameters
    ----------
    network: states what its input is.
    paths: regular files; folders, pipes and devices are not read.
    done: called with the progress.
    """
    samples: list[NDArray[np.uint8]] = []
    names: list[str] = []
    failures: list[Failure] = []
    remarks: list[str] = []
    for number, path in enumerate(paths, 1):
        try:
            found, notes = read_file(network, path)
            _check_room(path, len(names) + len(found))
        except TwofoldError as error:
            failures.append(Failure(shown(path), error))
        else:
            samples.append(found)
            names += sample_names(path, len(found))
            remarks += notes
        if done is not None:
            done(number, len(paths))
    together = np.concatenate(samples) if samples else empty(network.network)
    return Inputs(together, tuple(names), tuple(failures), tuple(remarks))


def read_file(network: QuantizedNetwork, path: Path) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Samples uint8 [n, c, h, w] of one file, and remarks on it.

    Raises InputError, AudioError or ToolError.
    """
    kind = network.input["kind"]
    if path.suffix.lower() in arrays.SUFFIXES:
        return arrays.read_array(network, path), ()
    if kind == "audio":
        return read_audio(network, path)
    if kind == "picture":
        return pictures.read_picture(network, path), ()
    raise InputError(
        f"{path}: {network.network.name} takes arrays: give a file of NumPy "
        f"({', '.join(arrays.SUFFIXES)})"
    )


def sample_names(path: Path, count: int) -> list[str]:
    """Names of the samples of a file."""
    name = shown(path)
    return [name] if count == 1 else [f"{name}[{index}]" for index in range(count)]


def _check_room(path: Path, count: int) -> None:
    if count > arrays.SAMPLES_MAX:
        raise InputError(
            f"{path}: makes {count} samples, at most {arrays.SAMPLES_MAX} at once; take fewer files"
        )
