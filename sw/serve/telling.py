"""What a live session tells: the messages, as trees of JSON."""

import base64
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.live import Decider, Window
from twofold.sw.serve.lens import Look
from twofold.sw.serve.model import Model


def hello(name: str, model: Model) -> dict[str, Any]:
    """The first message: the network, its layers, the decision, and what computes."""
    network, decision = model.network.network, model.network.decision
    return {
        "model": name,
        "labels": list(network.labels),
        "layers": [
            {"name": stage.name, "shape": list(stage.out_shape), "winners": stage.k}
            for stage in network.stages
            if not stage.last
        ],
        "multiplications": network.multiplications_dense,
        "decision": decision.to_json(),
        "device": model.device,
        "simulated": model.simulated,
    }


def window_told(network: QuantizedNetwork, window: Window, decider: Decider) -> dict[str, Any]:
    """A window, and the word that was found with it. ``decider`` takes the window.

    ``p`` are the posteriors and ``image`` is what the network sees, in base64; they are None where
    the window is below the silence gate.
    """
    word, logits, image = decider.push(window), window.logits, window.image
    return {
        "index": window.index,
        "end": round(window.end, 3),
        "loudness": round(window.loudness, 1),
        "delay_ms": round(1000 * window.delay, 2),
        "p": None if logits is None else network.probabilities(logits).round(4).tolist(),
        "logits": None if logits is None else logits.tolist(),
        "image": None if logits is None or image is None else _text(image),
        "word": None if word is None else asdict(word),
    }


def look_told(look: Look) -> dict[str, Any]:
    """A look at a window: bits of winners in base64, the first one the highest of its byte."""
    return {
        "index": look.index,
        "winners": [_text(one) for one in look.winners],
        "multiplications": look.multiplications,
        "logits": look.logits.tolist(),
    }


def _text(array: NDArray[np.uint8]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
