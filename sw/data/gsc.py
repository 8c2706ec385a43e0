"""Google Speech Commands in its own folder layout, as the usual task of 12 classes.

``<word>/<speaker>_nohash_<n>.wav``, with ``validation_list.txt`` and ``testing_list.txt`` naming
two of the splits and everything else being for training. The ten keywords are classes of their
own, all other words are *unknown*; `for_task` makes another task of the same clips. *Silence* are
the clips of ``_silence_`` where that folder exists and, for training, every second of
``_background_noise_``. A folder without lists counts whole as split ``all``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from twofold.hw.contract.presets import GSC_LABELS
from twofold.sw.data.audio import CLIP, RATE, Samples, fit, read_wav
from twofold.sw.data.features import BANDS, BATCH, FRAMES
from twofold.sw.data.frontend import FIXED, front_end
from twofold.sw.errors import AudioError, DatasetError

SPLITS = ("train", "val", "test", "all")
SILENCE = GSC_LABELS.index("silence")
UNKNOWN = GSC_LABELS.index("unknown")
KEYWORDS = GSC_LABELS[2:]
DIGIT_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
)  # fmt: skip
NOISE_FOLDER = "_background_noise_"
SILENCE_FOLDER = "_silence_"
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
            return fit(read_wav(self.path))
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


def open_gsc(root: Path) -> SpeechCommands:
    """List the clips of a folder in the data set's layout; no audio is read.

    Raises DatasetError when the folder is missing, holds no keyword, or a list names a file that is
    not there.
    """
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; give the unpacked Google Speech Commands")
    words = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    clips = {
        clip.name: clip
        for word in words
        if word != NOISE_FOLDER
        for clip in _word_clips(root, word)
    }
    if not any(clip.word in KEYWORDS + DIGIT_WORDS for clip in clips.values()):
        raise DatasetError(
            f"{root}: not Google Speech Commands: no WAV files in a folder named after a keyword "
            f"({', '.join(KEYWORDS)}) or a digit (zero..nine)"
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


def _word_clips(root: Path, word: str) -> Iterable[Clip]:
    if word == SILENCE_FOLDER:
        spoken, label = "silence", SILENCE
    else:
        spoken, label = word, GSC_LABELS.index(word) if word in KEYWORDS else UNKNOWN
    for path in sorted((root / word).glob("*.wav")):
        yield Clip(path, f"{word}/{path.name}", spoken, label)


def _noise_clips(folder: Path) -> Iterable[Clip]:
    """Every whole second of the noise recordings."""
    for path in sorted(folder.glob("*.wav")):
        try:
            info = soundfile.info(path)
        except (OSError, soundfile.SoundFileError) as error:
            raise AudioError(f"{path}: cannot be read as audio") from error
        if info.samplerate != RATE:
            raise AudioError(f"{path}: {info.samplerate} samples/s, noise needs {RATE}")
        for start in range(0, info.frames - CLIP + 1, CLIP):
            name = f"{folder.name}/{path.name}@{start // CLIP}s"
            yield Clip(path, name, "silence", SILENCE, start)


def _listed(root: Path, file: str, clips: dict[str, Clip]) -> frozenset[str] | None:
    path = root / file
    if not path.is_file():
        return None
    try:
        names = frozenset(path.read_text(encoding="utf-8").split())
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not a text file of clip names") from error
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

    Reads the audio in blocks. Raises AudioError.
    """
    make = front_end(front)
    out = np.empty((len(clips), FRAMES, BANDS), np.uint8)
    for at in range(0, len(clips), BATCH):
        block = clips[at : at + BATCH]
        out[at : at + BATCH] = make(np.stack([clip.samples() for clip in block]))
    return out


def labels(clips: Sequence[Clip]) -> NDArray[np.int64]:
    """Classes [N] of clips."""
    return np.array([clip.label for clip in clips], dtype=np.int64)
