"""Google Speech Commands in its own folder layout, as the usual task of 12 classes.

``<word>/<speaker>_nohash_<n>.wav``, with ``validation_list.txt`` and ``testing_list.txt`` naming
two of the splits and everything else being for training. The ten keywords are classes of their
own, all other words are *unknown*; `for_task` makes another task of the same clips. *Silence* are
the clips of ``_silence_`` where that folder exists and, for training, every second of
``_background_noise_``. A folder without lists counts whole as split ``all``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.presets import GSC_LABELS
from twofold.sw.artefacts.regular import read_regular
from twofold.sw.data.audio import CLIP, RATE, Samples, fit, opened, read_clip, read_wav
from twofold.sw.data.features import BANDS, BATCH, FRAMES
from twofold.sw.data.frontend import FIXED, front_end
from twofold.sw.errors import AudioError, DatasetError, refuse_all

SPLITS = ("train", "val", "test", "all")
SILENCE = GSC_LABELS.index("silence")
UNKNOWN = GSC_LABELS.index("unknown")
KEYWORDS = GSC_LABELS[2:]
DIGIT_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
)  # fmt: skip
OTHER_WORDS = (
    "backward", "bed", "bird", "cat", "dog", "follow", "forward", "happy", "house", "learn",
    "marvin", "sheila", "tree", "visual", "wow",
)  # fmt: skip
NOISE_FOLDER = "_background_noise_"
SILENCE_FOLDER = "_silence_"
LIST_BYTES_MAX = 1 << 26
SHOWN = 20
"""Names that a message lists at most."""
LISTS = {"val": "validation_list.txt", "test": "testing_list.txt"}


@dataclass(frozen=True)
class Clip:
    """One second of audio with its class.

    Attributes
    ----------
    path: the file.
    name: path inside the data set, with the second for cuts from noise.
    word: what is spoken; ``silence`` where nothing is.
    label: class, an index into `twofold.hw.contract.presets.GSC_LABELS`.
    start: first sample of the second to cut, or None to take the whole file.
    """

    path: Path
    name: str
    word: str
    label: int
    start: int | None = None

    def samples(self) -> Samples:
        """Samples [16000] at 16 kHz. Raises AudioError when the file cannot be used."""
        if self.start is None:
            return read_clip(self.path)
        return fit(read_wav(self.path, start=self.start, frames=CLIP))


@dataclass(frozen=True)
class SpeechCommands:
    """A folder in the layout of the data set.

    Attributes
    ----------
    root: the folder.
    splits: clips of every split; only ``all`` for a folder without lists.
    """

    root: Path
    splits: dict[str, tuple[Clip, ...]]

    def clips(self, split: str) -> tuple[Clip, ...]:
        """Clips of a split, in a fixed order. Raises DatasetError when there are none."""
        if split not in SPLITS:
            raise DatasetError(f"split is {split!r}, choose one of {', '.join(SPLITS)}")
        if not self.splits.get(split):
            present = ", ".join(name for name in SPLITS if self.splits.get(name))
            raise DatasetError(f"{self.root}: no clips of split {split!r}, only of {present}")
        return self.splits[split]


def open_gsc(root: Path, words: Sequence[str] = KEYWORDS + DIGIT_WORDS) -> SpeechCommands:
    """List the clips of a folder in the data set's layout; no audio is read.

    At least one of its folders has to be named after one of ``words``.

    Files and folders whose names begin with a dot are no clips. Lists may begin with a byte order
    mark, and write paths as ``./yes/a.wav`` or ``yes\\a.wav``.

    Raises DatasetError when the folder is missing, holds none of the words, or a list names a file
    that is not there.
    """
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; give the unpacked Google Speech Commands")
    folders = sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and entry.name[0] != "."
    )
    clips = {
        clip.name: clip
        for folder in folders
        if folder != NOISE_FOLDER
        for clip in _word_clips(root, folder)
    }
    if not any(clip.word in words for clip in clips.values()):
        raise DatasetError(
            f"{root}: not Google Speech Commands, nor in its layout: no WAV files in a folder "
            f"named after a word ({_short(words)}); its folders are {_short(folders) or 'none'}"
        )
    listed = {split: _listed(root, file, clips) for split, file in LISTS.items()}
    noise = tuple(_noise_clips(root / NOISE_FOLDER))
    if all(names is None for names in listed.values()):
        return SpeechCommands(root, {"all": (*clips.values(), *noise)})
    chosen = {split: names or frozenset() for split, names in listed.items()}
    taken = frozenset().union(*chosen.values())
    splits = {
        split: tuple(clip for name, clip in clips.items() if name in names)
        for split, names in chosen.items()
    }
    splits["train"] = (*(clip for name, clip in clips.items() if name not in taken), *noise)
    splits["all"] = (*clips.values(), *noise)
    return SpeechCommands(root, splits)


def _short(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _word_clips(root: Path, word: str) -> Iterable[Clip]:
    if word == SILENCE_FOLDER:
        spoken, label = "silence", SILENCE
    else:
        spoken, label = word, GSC_LABELS.index(word) if word in KEYWORDS else UNKNOWN
    for path in _sounds(root / word):
        yield Clip(path, f"{word}/{path.name}", spoken, label)


def _sounds(folder: Path) -> list[Path]:
    """WAV files of a folder, without what file managers leave beside them (``._a.wav``)."""
    return sorted(
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.suffix.lower() == ".wav" and not path.name.startswith(".")
    )


def _noise_clips(folder: Path) -> Iterable[Clip]:
    """Every whole second of the noise recordings. Raises DatasetError naming all bad ones."""
    bad: list[str] = []
    clips: list[Clip] = []
    for path in _sounds(folder):
        try:
            with opened(path) as file:
                frames, rate = file.frames, file.samplerate
        except AudioError as error:
            bad.append(str(error))
            continue
        if rate != RATE:
            bad.append(f"{path}: {rate} samples/s, noise needs {RATE}")
        for start in range(0, frames - CLIP + 1, CLIP):
            name = f"{folder.name}/{path.name}@{start // CLIP}s"
            clips.append(Clip(path, name, "silence", SILENCE, start))
    refuse_all(bad, "noise recordings")
    return clips


def noise_recordings(root: Path) -> list[Samples]:
    """The whole background recordings of a data set, at 16 kHz. Raises DatasetError, AudioError."""
    found = [read_wav(path) for path in _sounds(root / NOISE_FOLDER)]
    if not found:
        raise DatasetError(f"{root}: has no recordings in {NOISE_FOLDER}, which noise is made of")
    return found


def _listed(root: Path, file: str, clips: dict[str, Clip]) -> frozenset[str] | None:
    """Clips that a list names, a line each, as editors and other systems write it."""
    path = root / file
    if not path.is_file():
        return None
    try:
        text = read_regular(path, LIST_BYTES_MAX, DatasetError).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not a text file of clip names") from error
    lines = (line.strip().replace("\\", "/") for line in text.splitlines())
    names = frozenset(PurePosixPath(line).as_posix() for line in lines if line)
    missing = sorted(names - clips.keys())
    if missing:
        raise DatasetError(
            f"{path}: names {len(missing)} clips that are not in {root}, such as {missing[0]}; "
            "the copy is incomplete"
        )
    return names


def for_task(clips: Iterable[Clip], classes: Sequence[str]) -> tuple[Clip, ...]:
    """Clips of a task, labelled by its ``classes``.

    A word that is no class of its own is *unknown* where the task has that class, and left out
    where it has not; so is silence where it is no class.
    """
    places = {name: index for index, name in enumerate(classes)}
    unknown = places.get("unknown")
    chosen = (
        (clip, places.get(clip.word, None if clip.word == "silence" else unknown)) for clip in clips
    )
    return tuple(replace(clip, label=label) for clip, label in chosen if label is not None)


def features(clips: Sequence[Clip], front: str = FIXED) -> NDArray[np.uint8]:
    """Features [N, 32, 32] of clips by the front end ``front``, in order.

    Reads the audio in blocks. Raises DatasetError.
    """
    make = front_end(front)
    out, at = np.empty((len(clips), FRAMES, BANDS), np.uint8), 0
    for block in sound(clips):
        out[at : at + len(block)] = make(block)
        at += len(block)
    return out


def sound(clips: Sequence[Clip], size: int = BATCH) -> Iterator[Samples]:
    """Samples [up to ``size``, 16000] of clips, in order.

    Raises DatasetError behind the last block, naming all clips that cannot be used.
    """
    bad: list[str] = []
    for at in range(0, len(clips), size):
        block: list[Samples] = []
        for clip in clips[at : at + size]:
            try:
                block.append(clip.samples())
            except AudioError as error:
                bad.append(str(error))
        if not bad:
            yield np.stack(block)
    refuse_all(bad, "clips")


def labels(clips: Sequence[Clip]) -> NDArray[np.int64]:
    """Classes [N] of clips."""
    return np.array([clip.label for clip in clips], dtype=np.int64)
