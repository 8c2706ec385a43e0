"""Classify samples on an accelerator, with names and probabilities, for ``twofold infer``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.driver.accelerator import Accelerator
from twofold.sw.inputs import Inputs


def classify(
    accelerator: Accelerator, network: QuantizedNetwork, inputs: Inputs
) -> list[dict[str, Any]]:
    """Plain JSON values: one object per sample, then one for each file that failed.

    A sample has ``file`` (its name), ``logits`` and, if the network has labels, ``label`` and
    ``score`` (probability, 4 decimal places); a failure has ``file`` and ``error``. The network
    must already be loaded on the accelerator. Raises what the device raises.
    """
    rows: list[dict[str, Any]] = []
    if len(inputs.samples):
        logits, labels = accelerator.infer(inputs.samples)
        rows = [
            {"file": name, "logits": [int(one) for one in row]}
            for name, row in zip(inputs.names, logits, strict=True)
        ]
        if labels is not None:
            _add_labels(rows, network, labels, network.probabilities(logits))
    return rows + [
        {"file": failure.name, "error": str(failure.error)} for failure in inputs.failures
    ]


def _add_labels(
    rows: list[dict[str, Any]],
    network: QuantizedNetwork,
    labels: NDArray[np.int32],
    scores: NDArray[np.float64],
) -> None:
    for row, label, score in zip(rows, labels.tolist(), scores, strict=True):
        row |= {"label": network.network.labels[label], "score": round(float(score[label]), 4)}
