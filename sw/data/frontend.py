"""Front ends: how log-mel power becomes the bytes that a network sees.

A network is trained behind one of them and names it in its artefact (``QuantizedNetwork.input``);
everything that turns audio into images asks `front_end` for the one of the network at hand.

- ``log-mel-1`` (`FIXED`): power at a fixed scale (`twofold.sw.data.features.quantise`): what
  networks were trained on before there was another.
- ``centred``: the word moved to the middle of the window, at a normalised level.

``centred`` works on the frames of the fixed grid alone (one every 512 samples), so that a stream
computes every frame once and shares it among all windows that it falls into:

1. The *background* of a band is its `QUIET_RANK`-th smallest of the 32 frames of the second.
2. A frame's *energy* is what its bands have above the background by more than `MARGIN` octaves.
3. The window starts where the centroid of the energy comes to lie in its middle, rounded to
   `GRID` frames (64 ms) and at most `REACH` frames away; frames outside the second take the
   background.
4. The *level* is the `LOUD_RANK`-th largest of the 1,024 cells of the second (its 96 % quantile),
   at least `LEVEL_MIN`, so that silence is not blown up.
5. A cell becomes ``clip(LEVEL_VALUE + (log2 power - level) * 255 / 22, 0, 255)``, rounded: steps of
   0.26 dB.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from twofold.sw.artefacts.input import FIXED
from twofold.sw.data.audio import Samples
from twofold.sw.data.features import BANDS, BLOCK, FRAMES, STEPS_PER_OCTAVE, log_mel, quantise
from twofold.sw.errors import ArtefactError

CENTRED = "centred"

QUIET_RANK = 7
"""Rank, from the smallest, of the frame that stands for the background of a band."""
MARGIN = 2.2
"""Octaves of power above the background that do not count as energy yet (6.6 dB)."""
GRID = 2
"""Frames between two possible starts of the window."""
REACH = 8
"""Frames that the window starts earlier or later at most."""
LOUD_RANK = 41
"""Rank, from the largest, of the cell that stands for the level."""
LEVEL_MIN = -1.0
"""Least level, in octaves of power."""
LEVEL_VALUE = 205.0
"""Value of a cell at the level."""

Log = NDArray[np.floating]
FrontEnd = Callable[[Samples], NDArray[np.uint8]]


def front_end(name: str) -> FrontEnd:
    """Features of clips by the front end ``name``: samples float32 [16000] or [N, 16000] at 16 kHz
    to uint8 [32, 32] or [N, 32, 32] (frame, mel band).

    Raises ArtefactError for an unknown name.
    """
    return partial(log_mel, finish=_FINISH[checked(name)])


def checked(name: object) -> str:
    """``name`` of a front end. Raises ArtefactError where there is none of that name."""
    if not isinstance(name, str) or name not in _FINISH:
        raise ArtefactError(
            f"front end is {name!r}, this program knows {', '.join(FRONT_ENDS)}; "
            "install a newer version"
        )
    return name


def centred(log: Log) -> NDArray[np.uint8]:
    """Features uint8 [N, 32, 32] of log power [N, 32, 32], frames 512 samples apart."""
    quiet = background(log)
    return scaled(moved(log, quiet, offsets(log, quiet)), level(log))


def background(log: Log) -> Log:
    """Log power [N, bands] of what is there without the word."""
    return np.partition(log, QUIET_RANK - 1, axis=1)[:, QUIET_RANK - 1]


def offsets(log: Log, quiet: Log) -> NDArray[np.int64]:
    """Frames [N] by which the window starts later than the second."""
    energy = np.maximum(log - quiet[:, None] - MARGIN, 0).sum(axis=2)
    total = energy.sum(axis=1)
    middle = (log.shape[1] - 1) / 2
    moment = (energy * (np.arange(log.shape[1]) - middle)).sum(axis=1)
    away = np.divide(moment, total, out=np.zeros_like(total), where=total > 0)
    return np.clip(GRID * np.rint(away / GRID), -REACH, REACH).astype(np.int64)


def moved(log: Log, quiet: Log, offset: NDArray[np.int64], per_frame: int = 1) -> Log:
    """Rows of the window that starts ``offset`` [N] frames into the second.

    ``log`` [N, rows, bands] has ``per_frame`` rows a frame; rows outside it take ``quiet``
    [N, bands].
    """
    rows = log.shape[1]
    at = np.arange(rows) + per_frame * offset[:, None]
    inside = (at >= 0) & (at < rows)
    picked = np.take_along_axis(log, np.clip(at, 0, rows - 1)[..., None], axis=1)
    return np.where(inside[..., None], picked, quiet[:, None])


def level(log: Log) -> Log:
    """Level [N], in octaves of power, that clips are normalised by."""
    cells = log.reshape(len(log), -1)
    return np.maximum(np.partition(cells, -LOUD_RANK, axis=1)[:, -LOUD_RANK], LEVEL_MIN)


def scaled(log: Log, top: Log) -> NDArray[np.uint8]:
    """Values of cells [N, rows, bands] at levels ``top`` [N]."""
    value = LEVEL_VALUE + (log - top[:, None, None]) * STEPS_PER_OCTAVE
    return np.clip(np.rint(value), 0, 255).astype(np.uint8)


def stream(frames: Log, name: str = CENTRED) -> NDArray[np.uint8]:
    """Images of a stream, one for every `GRID` frames from the 32nd on.

    Parameters
    ----------
    frames: log power [F, 32] of a running stream, frames 512 samples apart, F >= 32.
    name: front end.

    Returns
    -------
    uint8 [(F - 32) // `GRID` + 1, 32, 32]: image n is made of frames ``GRID * n .. GRID * n + 31``
    alone, and equals what `front_end` makes of a clip with these frames.
    """
    if frames.ndim != 2 or len(frames) < FRAMES:
        raise ValueError(f"frames of shape {frames.shape}, needs [at least {FRAMES}, {BANDS}]")
    windows = np.lib.stride_tricks.sliding_window_view(frames, FRAMES, axis=0)[::GRID]
    return images(np.ascontiguousarray(windows.swapaxes(1, 2)), name)


def images(windows: Log, name: str) -> NDArray[np.uint8]:
    """Images uint8 [N, 32, 32] of log power [N, 32, 32] of any windows, by the front end ``name``.

    Raises ArtefactError for an unknown name.
    """
    finish, out = _FINISH[checked(name)], np.empty(windows.shape, np.uint8)
    for at in range(0, len(windows), BLOCK):
        out[at : at + BLOCK] = finish(windows[at : at + BLOCK])
    return out


_FINISH: dict[str, Callable[[Log], NDArray[np.uint8]]] = {FIXED: quantise, CENTRED: centred}
FRONT_ENDS = tuple(_FINISH)
