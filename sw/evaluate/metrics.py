"""Accuracy, recall and confusion, with confidence intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959964
"""Half-width, in standard deviations, of the central 95 % of a normal distribution."""


def wilson(correct: int, total: int) -> tuple[float, float]:
    """95 % Wilson confidence interval of a proportion; (0, 1) if ``total`` is 0."""
    if total == 0:
        return 0.0, 1.0
    share, spread = correct / total, Z95**2 / total
    centre = (share + spread / 2) / (1 + spread)
    reach = Z95 * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    low = centre - reach if correct else 0.0
    high = centre + reach if correct < total else 1.0
    return low, high


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predicted classes against true classes.

    Attributes
    ----------
    labels: names of the classes.
    confusion: int64 [true class, predicted class], numbers of clips.
    """

    labels: Sequence[str]
    confusion: NDArray[np.int64]

    @property
    def clips(self) -> int:
        """Number of clips."""
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        """Number of clips classified correctly."""
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of the clips classified correctly; 0 without clips."""
        return self.correct / self.clips if self.clips else 0.0

    def recall(self) -> list[tuple[str, int, int]]:
        """Name, correctly classified clips and total clips of every class."""
        totals = self.confusion.sum(axis=1)
        return [
            (name, int(self.confusion[index, index]), int(totals[index]))
            for index, name in enumerate(self.labels)
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        low, high = wilson(self.correct, self.clips)
        return {
            "clips": self.clips,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "interval95": [low, high],
            "per_class": {
                name: {"clips": total, "correct": found, "recall": found / total if total else None}
                for name, found, total in self.recall()
            },
            "confusion": self.confusion.tolist(),
        }


def evaluate(
    labels: Sequence[str], truth: NDArray[np.int64], found: NDArray[np.int64]
) -> Evaluation:
    """Count ``found`` [N] against ``truth`` [N], both indices into ``labels``."""
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (truth, found), 1)
    return Evaluation(tuple(labels), confusion)
