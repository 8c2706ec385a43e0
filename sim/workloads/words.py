"""Words for a simulation, each with what it is and the class it should get.

Real recordings where there are any, a file that the user names, otherwise speech rendered on the
spot; digits for the TINY
preset. Features and classes are computed here every time, nothing is stored beside the inputs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw.contract.errors import NetworkError
from hw.contract.network import Network
from hw.contract.presets import GSC_LABELS
from sw.data.audio import read_clip
from sw.data.digits import digits
from sw.data.features import log_mel
from sw.data.gsc import KEYWORDS, features, open_gsc
from sw.data.speech import VOICES, speak

DEFAULT_WORDS = 10
AUDIO_WORDS = 8
"""Times a single audio file is sent."""
SEED = 2

Done = Callable[[int, int], None]
"""Told how many words there are so far, of how many."""


@dataclass(frozen=True)
class Workload:
    """Words to send.

    Attributes
    ----------
    source: where they come from, for people.
    images: uint8 ``[words, height, width]``.
    spoken: what each word is, for people.
    labels: the class that each word should get; None where nobody knows.
    """

    source: str
    images: NDArray[np.uint8]
    spoken: Sequence[str]
    labels: Sequence[int | None]


def balanced(labels: Sequence[int], count: int, seed: int = SEED) -> list[int]:
    """Positions of ``count`` labels (all, if there are fewer), the classes as even as can be, in
    random order.
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


def choose(
    network: Network,
    *,
    words: int | None = DEFAULT_WORDS,
    data: Path | None = None,
    wav: Path | None = None,
    done: Done | None = None,
) -> Workload:
    """The words to send.

    Parameters
    ----------
    network: they are features for speech (GSC labels), or digits for a network with those.
    words: how many, None for all there are.
    data: folder in the layout of Google Speech Commands; its test split (all of it, without lists)
        is used.
    wav: an audio file, in place of everything else; sent `AUDIO_WORDS` times.
    done: told about progress, where reading takes a while.

    Raises
    ------
    NetworkError: a network with other labels.
    AudioError, DatasetError: the files are not what they should be.
    ToolError: what renders speech or holds the digits is missing.
    """
    if network.labels != GSC_LABELS:
        return _digits(network, words)
    if wav is not None:
        return _audio(wav)
    if data is not None:
        return _recorded(data, words, done)
    return _rendered(words, done)


def _digits(network: Network, words: int | None) -> Workload:
    images, labels = digits("test")
    if images.shape[1:] != network.input_shape[1:] or len(network.labels) != 10:
        raise NetworkError(
            f"{network.name}: no words for an input of {network.input_shape} "
            f"and {len(network.labels)} classes; there is speech and there are digits"
        )
    at = balanced(labels.tolist(), len(labels) if words is None else words)
    found = [int(label) for label in labels[at]]
    return Workload("digits of scikit-learn", images[at], [str(label) for label in found], found)


def _audio(wav: Path) -> Workload:
    """The same word several times, so that there is a steady state to see."""
    images = np.repeat(log_mel(read_clip(wav))[None], AUDIO_WORDS, axis=0)
    return Workload(str(wav), images, [wav.name] * AUDIO_WORDS, [None] * AUDIO_WORDS)


def _recorded(data: Path, words: int | None, done: Done | None) -> Workload:
    found = open_gsc(data)
    split = "test" if found.splits.get("test") else "all"
    clips = found.clips(split)
    at = balanced([clip.label for clip in clips], len(clips) if words is None else words)
    chosen = [clips[index] for index in (sorted(at) if words is None else at)]
    images, step = [], 64
    for first in range(0, len(chosen), step):
        images.append(features(chosen[first : first + step]))
        if done is not None:
            done(min(first + step, len(chosen)), len(chosen))
    return Workload(
        f"Google Speech Commands, {split} split",
        np.concatenate(images),
        [clip.word for clip in chosen],
        [clip.label for clip in chosen],
    )


def _rendered(words: int | None, done: Done | None) -> Workload:
    pairs = [(word, voice) for voice in VOICES for word in KEYWORDS]
    chosen = pairs[: len(pairs) if words is None else words]
    samples = []
    for word, voice in chosen:
        samples.append(speak(word, voice))
        if done is not None:
            done(len(samples), len(chosen))
    spoken = [word for word, _ in chosen]
    labels = [GSC_LABELS.index(word) for word in spoken]
    return Workload("speech of eSpeak NG", log_mel(np.stack(samples)), spoken, labels)
