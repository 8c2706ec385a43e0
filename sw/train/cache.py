"""Log-mel power of all training clips, computed once and cached in a file."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.cache import cached_file, digest
from twofold.hw.contract.files import reading, writing
from twofold.sw.data.features import BANDS, log_power
from twofold.sw.data.gsc import Clip
from twofold.sw.data.speech import Voice, speak
from twofold.sw.errors import ArtefactError, AudioError, refuse_all
from twofold.sw.train.augment import HOP
from twofold.sw.train.checkpoint import DAMAGE

_VERSION = 1
_BLOCK = 64
Spoken = tuple[str, Voice]


def clip_power(
    folder: Path, clips: Sequence[Clip], progress: Callable[[int, int], None]
) -> NDArray[np.float16]:
    """Log power [N, 125, 32] of clips of a data set; see `cached_power`."""
    key = [[clip.name, clip.path.stat().st_size, clip.start] for clip in clips]
    return cached_power(folder, "clips", key, [clip.samples for clip in clips], progress)


def speech_power(
    folder: Path, spoken: Sequence[Spoken], progress: Callable[[int, int], None]
) -> NDArray[np.float16]:
    """Log power [N, 125, 32] of rendered words; see `cached_power`."""
    key = [[word, voice.name, voice.rate, voice.pitch] for word, voice in spoken]
    makers = [lambda word=word, voice=voice: speak(word, voice) for word, voice in spoken]
    return cached_power(folder, "speech", key, makers, progress)


def cached_power(
    folder: Path,
    name: str,
    key: object,
    makers: Sequence[Callable[[], NDArray[np.float32]]],
    progress: Callable[[int, int], None],
) -> NDArray[np.float16]:
    """Log power, float16 [N, 125, 32], frames 128 samples apart, of the clips that ``makers``
    return.

    Cached in ``folder`` under ``name`` and a digest of ``key``. ``progress(done, total)`` is called
    while it is computed. Raises DatasetError, which names all clips that cannot be used, and
    ArtefactError for a file that is damaged.
    """

    def make(path: Path) -> None:
        with writing(path) as file:
            np.save(file, _power(makers, progress), allow_pickle=False)

    path = folder / f"{name}-{digest([json.dumps([_VERSION, HOP, key])])}.npy"
    with reading(cached_file(path, make)) as file:
        try:
            return np.load(file, allow_pickle=False)
        except DAMAGE as error:
            raise ArtefactError(f"{path}: damaged ({str(error)[:200]}); delete it") from error


def _power(
    makers: Sequence[Callable[[], NDArray[np.float32]]], progress: Callable[[int, int], None]
) -> NDArray[np.float16]:
    out = np.empty((len(makers), 16000 // HOP, BANDS), np.float16)
    bad: list[str] = []
    for at in range(0, len(makers), _BLOCK):
        block: list[NDArray[np.float32]] = []
        for make in makers[at : at + _BLOCK]:
            try:
                block.append(make())
            except AudioError as error:
                bad.append(str(error))
        if not bad:
            out[at : at + _BLOCK] = log_power(np.stack(block), HOP)
        progress(min(at + _BLOCK, len(makers)), len(makers))
    refuse_all(bad, "clips")
    return out
