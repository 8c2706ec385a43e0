"""Perturbations of audio as in real use: noise, shifts in time, changes of level."""

from dataclasses import dataclass

import numpy as np

from twofold.sw.data.audio import RATE, Samples


@dataclass(frozen=True)
class Perturbation:
    """A change to every clip.

    Attributes
    ----------
    name: for tables.
    snr: signal-to-noise ratio in dB of the clip and the added noise; None adds no noise.
    shift: milliseconds; positive is later; what is shifted out is lost.
    gain: in dB; audio clips at full scale.
    """

    name: str
    snr: float | None = None
    shift: float = 0.0
    gain: float = 0.0


PERTURBATIONS = (
    Perturbation("clean"),
    Perturbation("noise, 20 dB", snr=20),
    Perturbation("noise, 10 dB", snr=10),
    Perturbation("noise, 5 dB", snr=5),
    Perturbation("noise, 0 dB", snr=0),
    Perturbation("100 ms earlier", shift=-100),
    Perturbation("100 ms later", shift=100),
    Perturbation("12 dB softer", gain=-12),
    Perturbation("12 dB louder", gain=12),
)


def perturb(clips: Samples, how: Perturbation, noise: Samples) -> Samples:
    """Apply ``how`` to clips [N, 16000]; the rows of ``noise`` [M, 16000] are used in turn.

    No noise is added to a silent clip, since the signal-to-noise ratio is undefined.
    """
    out = _shift(clips, round(how.shift * RATE / 1000))
    if how.snr is not None:
        added = noise[np.arange(len(clips)) % len(noise)]
        level = _power(out) / np.maximum(_power(added), 1e-12) / 10 ** (how.snr / 10)
        out = out + added * np.sqrt(level)[:, None]
    return np.clip(out * 10 ** (how.gain / 20), -1, 1).astype(np.float32)


def _shift(clips: Samples, samples: int) -> Samples:
    if samples == 0:
        return clips
    out = np.zeros_like(clips)
    if samples > 0:
        out[:, samples:] = clips[:, :-samples]
    else:
        out[:, :samples] = clips[:, -samples:]
    return out


def _power(clips: Samples) -> Samples:
    return np.square(clips).mean(axis=1)
