"""Compares what a machine computed with the golden model."""

from collections.abc import Sequence

import numpy as np

from twofold.hw.contract.folding import Plan
from twofold.sw.golden.model import Golden


def mismatches(
    plans: Sequence[Plan], layers: Sequence[np.ndarray], golden: Golden
) -> dict[str, np.ndarray]:
    """For each layer, the number of activations (or logits) that differ in each sample: int64
    ``[samples]``.

    ``layers``: output of every layer, ``[samples, ...]``, the logits last. Raises ValueError if
    samples are missing.
    """
    expected = [*golden.activations[: len(layers) - 1], golden.logits]
    counts: dict[str, np.ndarray] = {}
    for plan, mine, theirs in zip(plans, layers, expected, strict=True):
        if len(mine) != len(theirs):
            raise ValueError(f"{plan.stage.name}: {len(mine)} samples, not {len(theirs)}")
        wrong = mine.reshape(theirs.shape) != theirs
        counts[plan.stage.name] = wrong.reshape(len(wrong), -1).sum(axis=1)
    return counts
