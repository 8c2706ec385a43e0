"""Clips as a running recording: clips without gaps, in which no window begins with its word."""

import numpy as np
from numpy.typing import NDArray

from twofold.sw.data.audio import CLIP, Samples
from twofold.sw.data.features import BANDS, FRAMES, HOP, log_power
from twofold.sw.data.frontend import GRID, stream

BLOCK = 64
"""Clips to a recording."""


def running(clips: Samples, front: str) -> NDArray[np.uint8]:
    """Images uint8 [N, 32, 32] of clips [N, 16000] that follow each other without a gap.

    Frames lie on the grid of the recording, not of the clips, and overlap the neighbours at their
    ends. Of the windows of the stream, a clip's is the one that begins nearest to it, up to 32 ms
    away; the last clip of a recording is followed by silence.
    """
    out = np.empty((len(clips), FRAMES, BANDS), np.uint8)
    for at in range(0, len(clips), BLOCK):
        block = clips[at : at + BLOCK]
        recording = np.pad(block.reshape(1, -1), ((0, 0), (0, CLIP)))
        images = stream(log_power(recording, HOP)[0], front)
        first = np.rint(np.arange(len(block)) * CLIP / (HOP * GRID)).astype(int)
        out[at : at + len(block)] = images[first]
    return out
