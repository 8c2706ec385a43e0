"""The float network in float16, for engines on a GPU.

Inputs and weights are integers of 8 bits with a power of two, which float16 holds exactly; biases
and activations are rounded. Logits of the float network exceed the largest float16, 65504, so here
they are in steps of `LOGIT`.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from twofold.hw.contract.files import write_bytes, writing
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.bench.floats import float_layers
from twofold.sw.bench.gpu.two_four import two_four_layers
from twofold.sw.bench.models import float_model
from twofold.sw.bench.subjects import Subject

HALF = "fp16"
TWO_FOUR = "fp16 2:4"
"""Precisions that only engines on a GPU have; the second one has compressed linear layers."""
LOGIT = 256
"""Steps of the float network's logits in one of the float16 network's."""


def half_layers(quantized: QuantizedNetwork) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and bias of every layer, float16. Raises OnnxError as `float_layers` does."""
    layers = float_layers(quantized)
    weight, bias = layers[-1]
    layers[-1] = weight / LOGIT, bias / LOGIT
    return [(weight.astype(np.float16), bias.astype(np.float16)) for weight, bias in layers]


def on_gpu(subject: Subject, folder: Path) -> Subject:
    """A subject with all precisions for a GPU; new files go into ``folder``.

    Networks with winners have no float form, so they stay as they are. Raises ArtefactError.
    """
    if "fp32" not in subject.models:
        return subject
    quantized = QuantizedNetwork.load(subject.artefact)
    model, feed = (folder / f"{subject.name}-{HALF}.{kind}" for kind in ("onnx", "npy"))
    made = float_model(quantized, layers=half_layers(quantized))
    write_bytes(model, made.SerializeToString())
    with writing(feed) as file:
        inputs = np.load(subject.inputs["fp32"], allow_pickle=False).astype(np.float16)
        np.save(file, inputs, allow_pickle=False)
    kinds = (HALF, TWO_FOUR) if two_four_layers(quantized) else (HALF,)

    def beside(known: Mapping, new: object) -> dict:
        """With the new precisions behind ``fp32``."""
        return {"fp32": known["fp32"], **dict.fromkeys(kinds, new), **known}

    return replace(
        subject,
        models=beside(subject.models, model),
        inputs=beside(subject.inputs, feed),
        logits=beside(subject.logits, subject.logits["fp32"] / LOGIT),
    )
