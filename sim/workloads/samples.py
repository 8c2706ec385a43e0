"""Samples for a simulation, each with a description and its expected class.

They are files or a data set named by the user; otherwise, for a network that takes audio, speech
rendered on the fly, and for any other the examples that its artefact names. Features are always
recomputed; nothing is stored next to the inputs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.errors import InputError
from twofold.sw.inputs import Labelled, read_inputs, read_labelled, shown
from twofold.sw.inputs.audio import features
from twofold.sw.inputs.digits import has_examples
from twofold.sw.inputs.folders import NOT_WORDS

AUDIO_SAMPLES = 8
"""How often a single sample is sent, unless it is said."""

Done = Callable[[int, int], None]
"""Progress callback: number of samples so far, and in total."""


@dataclass(frozen=True)
class Workload:
    """Samples to send.

    Attributes
    ----------
    source: where they come from, for display.
    inputs: uint8 ``[samples, channels, height, width]``.
    names: description of each sample, for display.
    labels: the expected class of each sample; None if unknown.
    remarks: what the user should know about the files read; one line each.
    """

    source: str
    inputs: NDArray[np.uint8]
    names: Sequence[str]
    labels: Sequence[int | None]
    remarks: Sequence[str] = ()


def choose(
    quantized: QuantizedNetwork,
    *,
    samples: int | None = None,
    data: Path | None = None,
    wav: Path | None = None,
    inputs: Sequence[Path] = (),
    done: Done | None = None,
) -> Workload:
    """The samples to send.

    Parameters
    ----------
    quantized: the network; its artefact says what its input is.
    samples: number of samples, None for all there are. Where there are fewer, a remark says so.
    data: folder with one subfolder per class; for audio in the layout of Google Speech Commands,
        whose test split is used.
    wav: a recording for a network that takes audio; sent ``samples`` times, or `AUDIO_SAMPLES`.
    inputs: files of any kind that `twofold.sw.inputs.read_inputs` reads; a single sample is sent
        as often as ``wav``. At most one of ``data``, ``wav`` and ``inputs`` may be given.
    done: progress callback, for reading that takes a while.

    Without any of them, a network that takes audio gets speech from eSpeak NG, and any other the
    examples that its artefact names.

    Raises
    ------
    InputError: files cannot be used, or none are given for a network without examples.
    DatasetError: a folder is not what it should be.
    ToolError: what renders speech or holds the examples is missing.
    """
    if sum((data is not None, wav is not None, bool(inputs))) > 1:
        raise InputError("choose one of a data set, a recording and files of inputs")
    name, audio = quantized.network.name, quantized.input["kind"] == "audio"
    if wav is not None and not audio:
        raise InputError(f"{wav}: {name} takes no audio ({quantized.input['kind']})")
    if wav is not None or inputs:
        found = _named(quantized, [wav] if wav is not None else inputs, samples)
    elif data is not None:
        found = _labelled(read_labelled(quantized, [data], count=samples, done=done))
    elif audio:
        found = _rendered(quantized, samples, done)
    elif has_examples(quantized):
        found = _labelled(read_labelled(quantized, count=samples))
    else:
        raise InputError(f"{name}: no samples for it come with Twofold; give files of inputs")
    there = len(found.inputs)
    if samples is None or there >= samples:
        return found
    return replace(found, remarks=(*found.remarks, f"{found.source}: has {there:,} samples only"))


def _named(quantized: QuantizedNetwork, paths: Sequence[Path], samples: int | None) -> Workload:
    """Samples of files; a single one is repeated, so that there is a steady state."""
    found = read_inputs(quantized, paths).complete()
    chosen, names = found.samples[:samples], list(found.names[:samples])
    if len(found.names) == 1:
        count = samples or AUDIO_SAMPLES
        chosen, names = np.repeat(chosen, count, axis=0), names * count
    source = ", ".join(map(shown, paths[:3])) + (", ..." if len(paths) > 3 else "")
    return Workload(source, chosen, names, [None] * len(names), found.remarks)


def _labelled(found: Labelled) -> Workload:
    return Workload(found.source, found.samples, found.names, found.labels.tolist())


def _rendered(quantized: QuantizedNetwork, samples: int | None, done: Done | None) -> Workload:
    from twofold.sw.data.speech import VOICES, speak

    labels = quantized.network.labels
    words = [label for label in labels if label not in NOT_WORDS]
    pairs = [(word, voice) for voice in VOICES for word in words]
    chosen = pairs[: len(pairs) if samples is None else samples]
    sounds = []
    for word, voice in chosen:
        sounds.append(speak(word, voice))
        if done is not None:
            done(len(sounds), len(chosen))
    names = [word for word, _ in chosen]
    inputs = features(quantized, np.stack(sounds))
    return Workload("speech of eSpeak NG", inputs, names, [labels.index(name) for name in names])
