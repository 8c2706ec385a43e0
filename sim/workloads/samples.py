"""Samples for a simulation, each with what it is and the class it should get.

Real recordings where there are any, a file that the user names, otherwise speech rendered on the
spot; digits for the TINY
preset. Features and classes are computed here every time, nothing is stored beside the inputs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import Network
from twofold.hw.contract.presets import GSC_LABELS
from twofold.sw.data.audio import read_clip
from twofold.sw.data.digits import digits
from twofold.sw.data.frontend import FIXED, front_end
from twofold.sw.data.gsc import KEYWORDS, features, open_gsc
from twofold.sw.data.speech import VOICES, speak

DEFAULT_SAMPLES = 10
AUDIO_SAMPLES = 8
"""Times a single audio file is sent."""
SEED = 2

Done = Callable[[int, int], None]
"""Told how many samples there are so far, of how many."""


@dataclass(frozen=True)
class Workload:
    """Samples to send.

    Attributes
    ----------
    source: where they come from, for people.
    inputs: uint8 ``[samples, height, width]``.
    spoken: what each sample is, for people.
    labels: the class that each sample should get; None where nobody knows.
    """

    source: str
    inputs: NDArray[np.uint8]
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
    samples: int | None = DEFAULT_SAMPLES,
    data: Path | None = None,
    wav: Path | None = None,
    front: str = FIXED,
    done: Done | None = None,
) -> Workload:
    """The samples to send.

    Parameters
    ----------
    network: they are features for speech (GSC labels), or digits for a network with those.
    samples: how many, None for all there are.
    data: folder in the layout of Google Speech Commands; its test split (all of it, without lists)
        is used.
    wav: an audio file, in place of everything else; sent `AUDIO_SAMPLES` times.
    front: the network's front end (`twofold.sw.data.frontend`).
    done: told about progress, where reading takes a while.

    Raises
    ------
    NetworkError: a network with other labels.
    AudioError, DatasetError: the files are not what they should be.
    ToolError: what renders speech or holds the digits is missing.
    """
    if network.labels != GSC_LABELS:
        return _digits(network, samples)
    if wav is not None:
        return _audio(wav, front)
    if data is not None:
        return _recorded(data, samples, front, done)
    return _rendered(samples, front, done)


def _digits(network: Network, samples: int | None) -> Workload:
    inputs, labels = digits("test")
    if inputs.shape[1:] != network.input_shape[1:] or len(network.labels) != 10:
        raise NetworkError(
            f"{network.name}: no samples for an input of {network.input_shape} "
            f"and {len(network.labels)} classes; there is speech and there are digits"
        )
    at = balanced(labels.tolist(), len(labels) if samples is None else samples)
    found = [int(label) for label in labels[at]]
    return Workload("digits of scikit-learn", inputs[at], [str(label) for label in found], found)


def _audio(wav: Path, front: str) -> Workload:
    """The same sample several times, so that there is a steady state to see."""
    inputs = np.repeat(front_end(front)(read_clip(wav))[None], AUDIO_SAMPLES, axis=0)
    return Workload(str(wav), inputs, [wav.name] * AUDIO_SAMPLES, [None] * AUDIO_SAMPLES)


def _recorded(data: Path, samples: int | None, front: str, done: Done | None) -> Workload:
    found = open_gsc(data)
    split = "test" if found.splits.get("test") else "all"
    clips = found.clips(split)
    at = balanced([clip.label for clip in clips], len(clips) if samples is None else samples)
    chosen = [clips[index] for index in (sorted(at) if samples is None else at)]
    inputs, step = [], 64
    for first in range(0, len(chosen), step):
        inputs.append(features(chosen[first : first + step], front))
        if done is not None:
            done(min(first + step, len(chosen)), len(chosen))
    return Workload(
        f"Google Speech Commands, {split} split",
        np.concatenate(inputs),
        [clip.word for clip in chosen],
        [clip.label for clip in chosen],
    )


def _rendered(samples: int | None, front: str, done: Done | None) -> Workload:
    pairs = [(sample, voice) for voice in VOICES for sample in KEYWORDS]
    chosen = pairs[: len(pairs) if samples is None else samples]
    spoken_clips = []
    for sample, voice in chosen:
        spoken_clips.append(speak(sample, voice))
        if done is not None:
            done(len(spoken_clips), len(chosen))
    spoken = [sample for sample, _ in chosen]
    labels = [GSC_LABELS.index(sample) for sample in spoken]
    inputs = front_end(front)(np.stack(spoken_clips))
    return Workload("speech of eSpeak NG", inputs, spoken, labels)
