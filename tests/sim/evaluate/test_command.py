"""``twofold eval`` on digits: every backend, the same figures."""

import argparse
import json
from pathlib import Path

import pytest

from sim.evaluate import backends, cli
from sw.errors import DatasetError


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(options)


@pytest.mark.parametrize("backend", ["golden", "torch", "onnx"])
def test_backends_agree(backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "confusion.png"
    options = ("--net", "tiny", "--json", "--backend", backend, "--picture", str(picture))
    assert cli.run(parse(*options)) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["clips"] == 359 and figures["mismatches_vs_golden"] == 0
    assert figures["accuracy"] == figures["correct"] / 359 >= 0.96
    assert sum(entry["clips"] for entry in figures["per_class"].values()) == 359
    assert picture.stat().st_size > 1000


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(parse("--net", "tiny", "--split", "val")) == 0
    assert "0 words differ" in " ".join(capsys.readouterr().out.split())


def test_a_backend_that_differs_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(quantized, images):  # one bit of one logit
        logits = backends.golden(quantized, images).copy()
        logits[3, 0] ^= 1
        return logits

    monkeypatch.setattr(backends, "backend", lambda *_: wrong)
    assert cli.run(parse("--net", "tiny", "--json")) == 1
    assert json.loads(capsys.readouterr().out)["mismatches_vs_golden"] == 1


def test_needs_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cli.DATA_VARIABLE, raising=False)
    with pytest.raises(DatasetError, match="no data: give --data DIR"):
        cli.run(parse("--net", "gsc"))
