"""What is told of samples, and of files that could not be read."""

import numpy as np

from twofold.sw.driver.classify import classify
from twofold.sw.errors import InputError
from twofold.sw.inputs import Failure, Inputs


def test_samples_and_failures(loaded, quantized, inputs, golden):
    failure = Failure("bad.npy", InputError("bad.npy: no such file"))
    inputs = Inputs(inputs[:2, None] if inputs.ndim == 3 else inputs[:2], ("a", "b"), (failure,))
    rows = classify(loaded, quantized, inputs)
    assert [row["file"] for row in rows] == ["a", "b", "bad.npy"]
    assert rows[2] == {"file": "bad.npy", "error": "bad.npy: no such file"}
    for row, logits in zip(rows[:2], golden.logits, strict=False):
        assert row["logits"] == logits.tolist()
        assert row["label"] == quantized.network.labels[int(np.argmax(logits))]
        assert row["score"] == round(float(quantized.probabilities(logits).max()), 4)


def test_nothing_to_classify(loaded, quantized):
    none = Inputs(np.empty((0, 1, 8, 8), np.uint8), ())
    assert classify(loaded, quantized, none) == []
