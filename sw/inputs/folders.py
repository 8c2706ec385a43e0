"""Folders of samples, with one subfolder per class."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import TwofoldError
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.data.options import data_folder
from twofold.sw.errors import DatasetError, refuse_all
from twofold.sw.inputs.audio import features
from twofold.sw.inputs.labels import balanced, listed, no_labels
from twofold.sw.inputs.reading import Done, read_file, sample_names
from twofold.sw.inputs.result import shown

if TYPE_CHECKING:
    from twofold.sw.data.gsc import Clip

Found = tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...], str]
"""Samples, labels, names and source of a `twofold.sw.inputs.Labelled`."""
NOT_WORDS = ("silence", "unknown")


def default_data(network: QuantizedNetwork, given: Path | None) -> Path | None:
    """The folder the user gave; else, for a network that takes audio, the environment's."""
    return data_folder(given) if network.input["kind"] == "audio" else given


def read_speech(
    network: QuantizedNetwork, root: Path, split: str | None, count: int | None, done: Done | None
) -> Found:
    """Recordings in the layout of Google Speech Commands, with the network's labels.

    Words without a label become the class ``unknown`` if the network has one. Otherwise those of
    Speech Commands are left out, and any others are refused. Raises DatasetError.
    """
    clips, split = speech_clips(network, root, split)
    if count is not None:
        at = sorted(balanced([clip.label for clip in clips], count))
        clips = tuple(clips[index] for index in at)
    samples = speech_features(network, clips, done)
    labels = np.array([clip.label for clip in clips], dtype=np.int64)
    source = f"Google Speech Commands, {split} split"
    return samples, labels, tuple(clip.word for clip in clips), source


def speech_clips(
    network: QuantizedNetwork, root: Path, split: str | None
) -> tuple[tuple["Clip", ...], str]:
    """Clips for the network's task, and the split they are from. Raises DatasetError."""
    from twofold.sw.data.gsc import DIGIT_WORDS, KEYWORDS, OTHER_WORDS, for_task, open_gsc

    labels = network.network.labels
    data = open_gsc(root, [name for name in labels if name not in NOT_WORDS])
    split = split or ("test" if data.splits.get("test") else "all")
    found = data.clips(split)
    known = {*labels, *KEYWORDS, *DIGIT_WORDS, *OTHER_WORDS, "silence"}
    strange = sorted({clip.word for clip in found} - known)
    if strange and "unknown" not in labels:
        raise DatasetError(f"{root}: {no_labels(network, strange)}")
    clips = for_task(found, labels)
    if not clips:
        raise DatasetError(
            f"{root}: no clips of {network.network.name}'s words in split {split!r}, they are "
            f"{listed(labels)}"
        )
    return clips, split


def speech_features(
    network: QuantizedNetwork, clips: Sequence["Clip"], done: Done | None = None
) -> NDArray[np.uint8]:
    """Features uint8 [n, 1, frames, bands] of clips. Raises DatasetError, naming all bad clips."""
    from twofold.sw.data.gsc import sound

    blocks: list[NDArray[np.uint8]] = []
    at = 0
    for block in sound(clips):
        blocks.append(features(network, block))
        at += len(block)
        if done is not None:
            done(at, len(clips))
    return np.concatenate(blocks)


def read_classes(network: QuantizedNetwork, root: Path, done: Done | None) -> Found:
    """Pictures or arrays in folders named after the network's classes.

    Names that begin with a dot are skipped. Raises DatasetError for a folder that is not named
    after a class, and for files that cannot be read, naming all of them.
    """
    files = _class_files(network, root)
    samples: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    names: list[str] = []
    bad: list[str] = []
    for number, (path, label) in enumerate(files, 1):
        try:
            found, _ = read_file(network, path)
        except TwofoldError as error:
            bad.append(str(error))
        else:
            samples.append(found)
            labels += [label] * len(found)
            names += sample_names(path.relative_to(root), len(found))
        if done is not None:
            done(number, len(files))
    refuse_all(bad, "files")
    return np.concatenate(samples), np.array(labels, dtype=np.int64), tuple(names), shown(root)


def _class_files(network: QuantizedNetwork, root: Path) -> list[tuple[Path, int]]:
    """Files and their classes, in class order."""
    try:
        folders = {path.name: path for path in _visible(root) if path.is_dir()}
        labels = network.network.labels
        unknown = sorted(folders.keys() - set(labels))
        if unknown or not folders:
            found = no_labels(network, unknown) if unknown else "has no folders for classes"
            raise DatasetError(f"{root}: {found}")
        files = [
            (path, labels.index(name))
            for name in sorted(folders, key=labels.index)
            for path in _visible(folders[name])
        ]
    except OSError as error:
        raise DatasetError(f"{root}: cannot be read: {error.strerror or error}") from error
    if not files:
        raise DatasetError(f"{root}: no files in the folders of its classes")
    return files


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
