"""``twofold bench`` from end to end, on the small network."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twofold.sw.bench.engines import GPU, PROCESSOR
from twofold.sw.bench.gpu import driver
from twofold.sw.cli.verbs import bench as cli
from twofold.sw.cpu import available_isas

ROW = {
    "engine", "version", "network", "accuracy", "precision", "sparsity", "batch", "threads",
    "samples_per_second", "spread", "logits_ok",
}  # fmt: skip
RUN = (
    "import argparse, sys; from twofold.sw.cli.verbs import bench as cli; "
    "parser = argparse.ArgumentParser(); "
    "cli.add_arguments(parser); sys.exit(cli.run(parser.parse_args(sys.argv[1:])))"
)


def arguments(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(options)


def test_report_has_a_row_for_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    args = arguments("--net", "tiny", "--quick", "--engines", "deepsparse,twofold", "--json")
    args.build = tmp_path
    assert cli.run(args) == 0
    report = json.loads((tmp_path / "reports" / "bench.json").read_text())
    assert json.loads(capsys.readouterr().out) == report
    assert report["command"] == "twofold bench --net tiny --quick --engines deepsparse,twofold"
    assert report["machine"]["cores"] >= 1
    assert all(row.keys() >= ROW for row in report["rows"])
    timed = [row for row in report["rows"] if row["samples_per_second"] is not None]
    assert {row["sparsity"] for row in timed} == {"dense", "pruned", "sparse-sparse"}
    assert all(row["logits_ok"] for row in timed)
    assert {row["network"] for row in timed} == {
        "tiny-dense", "tiny-pruned", "tiny-accurate", "tiny-fast"
    }  # fmt: skip
    for row in report["rows"]:
        known = report["accuracies"][row["network"]]
        assert row["accuracy"] == {split: known[split] for split in ("val", "test")}
        assert 0.9 < row["accuracy"]["test"] < 1
    assert len({known["data"] for known in report["accuracies"].values()}) == 1
    layers = {(row["sparsity"], row["layer"]) for row in report["layers"]}
    assert len(layers) == (3 * 4 if len(available_isas()) > 1 else 0)
    assert all(row["microseconds"] > 0 for row in report["layers"])
    notes = {row["note"] for row in report["rows"] if row["engine"] == "deepsparse"}
    assert notes == {"licence not accepted (--accept-deepsparse-licence)"}
    assert not list((tmp_path / "bench").glob(".run.*"))
    assert "gpu" not in report
    assert not any("device" in row for row in report["rows"])


def test_killed_run_leaves_the_report_of_the_run_before(tmp_path: Path):
    report = tmp_path / "reports" / "bench.json"
    report.parent.mkdir()
    report.write_text('{"rows": []}')
    command = [sys.executable, "-c", RUN, "--net", "tiny", "--engines", "twofold"]
    process = subprocess.Popen([*command, "--build", str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: bool(children(process.pid)))
        workers = children(process.pid)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert report.read_text() == '{"rows": []}'
    assert [path.name for path in report.parent.iterdir()] == ["bench.json"]
    wait_for(lambda: not any(runs(worker) for worker in workers))


def children(parent: int) -> list[int]:
    """Processes that ``parent`` has started."""
    numbers = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [number for number in numbers if stat(number)[1:2] == [str(parent)]]


def runs(process: int) -> bool:
    return stat(process)[:1] not in ([], ["Z"])


def stat(process: int) -> list[str]:
    """State, parent and so on; nothing for a process that is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def wait_for(condition, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_unknown_engine_is_named(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        arguments("--engines", "onnxruntime,abacus")
    assert stop.value.code == 2
    assert "engine is 'abacus'" in capsys.readouterr().err


def test_without_a_gpu_its_engines_are_left_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(driver, "driver", lambda: None)
    assert cli.default_engines() == list(PROCESSOR)
    monkeypatch.setattr(driver, "driver", object)
    assert cli.default_engines() == [*PROCESSOR, *GPU]


@pytest.mark.skipif(driver.driver() is not None, reason="there is a GPU")
def test_engines_that_are_asked_for_without_a_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    args = arguments("--net", "tiny", "--quick", "--engines", f"twofold,{','.join(GPU)}")
    args.build = tmp_path
    assert cli.run(args) == 0
    shown = capsys.readouterr().out
    report = json.loads((tmp_path / "reports" / "bench.json").read_text())
    rows = [row for row in report["rows"] if row["engine"] in GPU]
    assert {row["engine"] for row in rows} == set(GPU)
    assert {(row["threads"], row["device"], row["samples_per_second"]) for row in rows} == {
        (None, None, None)
    }
    for engine, name in GPU.items():
        (note,) = {row["note"] for row in rows if row["engine"] == engine}
        assert "no NVIDIA GPU" in note or "finds no GPU" in note
        assert shown.count(f"\n{name}, ") == 1
    assert report["gpu"]["cards"] == []


def test_quick_neither_sweeps_nor_tunes():
    quick, whole = cli.settings_of(True, 2), cli.settings_of(False, 2)
    assert (quick.sweep, quick.tuning) == ((), 0)
    assert whole.sweep
    assert whole.threads == (1, 2)
    assert cli.settings_of(False, 1).threads == (1,)
