"""Random networks in everything that computes them: all equal, and a reader that errs is found."""

from importlib.util import find_spec

import numpy as np
import pytest

from twofold.sim.evaluate.backends import golden
from twofold.sim.evaluate.networks import compare, main, readers
from twofold.sw.errors import OnnxError


def refusing(*_: object) -> np.ndarray:
    raise OnnxError("not exact")


def test_one_logit_that_differs_is_found():
    def wrong(quantized, inputs) -> np.ndarray:
        logits = golden(quantized, inputs).copy()
        if quantized.network.name == "random-3":
            logits[-1, -1] += 1
        return logits

    found = compare(range(2, 5), {"right": golden, "wrong": wrong, "refusing": refusing}, 5)
    assert (found["right"].networks, found["right"].mismatches) == (3, 0)
    assert (found["wrong"].mismatches, found["wrong"].seeds) == (1, [3])
    assert (found["refusing"].networks, found["refusing"].refused) == (0, 3)
    assert found["right"].logits == found["wrong"].logits > 0


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_all_readers_agree(capsys: pytest.CaptureFixture[str]):
    assert {"torch", "onnxruntime", "cpu, portable"} <= readers().keys()
    assert main(["--count", "12", "--first", "5000"]) == 0
    assert capsys.readouterr().out.count(" 0 mismatches") == len(readers())
