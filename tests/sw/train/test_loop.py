"""Training: repeatable, resumable, and really learning."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from twofold.hw.contract.presets import network
from twofold.sw.errors import ArtefactError
from twofold.sw.model.masks import choose_mask
from twofold.sw.train import checkpoint
from twofold.sw.train.loop import (
    Phase,
    Record,
    Trainer,
    accuracy,
    logits_of,
    one_cycle,
    relaxation,
    to_device,
)
from twofold.sw.train.recipe import recipe
from twofold.sw.train.run import train
from twofold.sw.train.sources import DigitSource

TEACHER = Phase(name="teacher", epochs=12, rate=5e-3)
STUDENT = Phase(name="student", epochs=6, rate=4e-3, open_until=0.5, distil=0.7)


class StoppedError(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def source() -> DigitSource:
    return DigitSource()


def trainer(source: DigitSource, folder: Path, stop: Iterator[int] | None = None) -> Trainer:
    def on_step(_name: str, _done: int, _total: int) -> None:
        if stop is not None and next(stop, None) is None:
            raise StoppedError

    return Trainer(source, folder, report=lambda _record: None, on_step=on_step)


def both_phases(
    source: DigitSource, folder: Path, stop: Iterator[int] | None = None
) -> torch.Tensor:
    runner = trainer(source, folder, stop)
    teacher, key = runner.run(network("tiny", "dense"), TEACHER)
    net, _ = runner.run(network("tiny", "fast"), STUDENT, teacher, key)
    return logits_of(net, source.split("test")[0])


def test_killed_runs_end_where_whole_ones_do(source: DigitSource, tmp_path: Path) -> None:
    expected = both_phases(source, tmp_path / "whole")
    folder = tmp_path / "killed"
    for steps in (37, 61, 55):
        with pytest.raises(StoppedError):
            both_phases(source, folder, iter(range(steps)))
    assert torch.equal(both_phases(source, folder), expected)
    taken: list[int] = []
    again = Trainer(source, folder, report=lambda _record: None, on_step=lambda *_: taken.append(1))
    teacher, _ = again.run(network("tiny", "dense"), TEACHER)
    assert not taken  # finished phases are read back
    assert accuracy(teacher, *source.split("val")) > 0.6
    other = Phase(name="teacher", epochs=1, rate=5e-3, seed=1)
    first, _ = again.run(network("tiny", "dense"), other)
    assert taken and not torch.equal(logits_of(first, source.split("test")[0]), expected)


def test_two_trainings_in_one_folder_do_the_work_once(source: DigitSource, tmp_path: Path) -> None:
    """Two real processes, of which each needs the same teacher at the same time."""
    code = (
        "import sys, time, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from twofold.hw.contract.presets import network\n"
        "from twofold.sw.train.loop import Phase, Trainer, logits_of\n"
        "from twofold.sw.train.sources import DigitSource\n"
        "source, steps = DigitSource(), []\n"
        "def step(name, done, total):\n"
        "    steps.append(name)\n"
        "    time.sleep(0.01)\n"
        "phase = Phase(name='teacher', epochs=3, rate=5e-3)\n"
        "runner = Trainer(source, Path(sys.argv[1]), report=lambda _: None, on_step=step)\n"
        "sys.stdin.read(1)\n"
        "net, _ = runner.run(network('tiny', 'dense'), phase)\n"
        "print(steps.count('teacher'), hash(logits_of(net, source.split('test')[0]).sum().item()))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    found = [process.communicate("x", timeout=300)[0].split() for process in processes]
    steps = sorted(int(count) for count, _ in found)
    assert steps[0] == 0 and steps[1] == 3 * (source.epoch // 128)
    assert found[0][1] == found[1][1]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_best_epoch_is_the_result(source: DigitSource, tmp_path: Path) -> None:
    records: list[Record] = []
    runner = Trainer(source, tmp_path, report=records.append, on_step=lambda *_: None)
    phase = Phase(name="student", epochs=12, rate=0.02, open_until=0.5, seed=1)
    net, _ = runner.run(network("tiny", "fast"), phase)
    found = [record.val_accuracy for record in records]
    right = accuracy(net, *source.split("val"))
    assert right == max(found[6:])  # of those with the final structure
    assert right != found[-1], "the best epoch is the last: choose another seed"
    for layer in net.each_layer():
        assert layer.mask.sum() == choose_mask(layer.weight, layer.stage).sum()


def test_masks_are_final_after_a_student(source: DigitSource, tmp_path: Path) -> None:
    runner = trainer(source, tmp_path)
    net, _ = runner.run(network("tiny", "fast"), STUDENT)
    for layer in net.each_layer():
        assert layer.mask.sum() == choose_mask(layer.weight, layer.stage).sum()
        if layer.norm is not None:
            assert layer.norm.k == layer.stage.k


def test_whole_recipe(source: DigitSource, tmp_path: Path) -> None:
    records: list[Record] = []
    runner = Trainer(source, tmp_path, report=records.append, on_step=lambda *_: None)
    outcome = train(recipe("tiny", "fast", scale=0.1), source, runner)
    assert [record.phase for record in records[:1] + records[-1:]] == ["teacher", "polish"]
    assert set(outcome.accuracy) >= {"dense float", "sparse float", "int8"}
    assert outcome.accuracy["int8"]["val"] > 0.8
    assert abs(outcome.accuracy["int8"]["val"] - outcome.accuracy["sparse float"]["val"]) < 0.06
    assert outcome.quantized.provenance["accuracy"] == outcome.accuracy["int8"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_trains_as_well(source: DigitSource, tmp_path: Path) -> None:
    runner = Trainer(
        source, tmp_path, report=lambda _: None, on_step=lambda *_: None, device="cuda"
    )
    outcome = train(recipe("tiny", "fast", scale=0.1), source, runner)
    assert outcome.accuracy["int8"]["val"] > 0.8
    assert not any(parameter.is_cuda for parameter in outcome.net.parameters())


def test_plain_pytorch_learns_the_same(source: DigitSource, tmp_path: Path) -> None:
    """What a GPU runs, on the processor: no fused kernels."""
    runner = trainer(source, tmp_path)
    fast, _ = runner.run(network("tiny", "fast"), STUDENT)
    fast.set_fused(False)
    images, _ = source.split("test")
    plain = logits_of(fast, images)
    to_device(fast, "cpu")
    torch.testing.assert_close(logits_of(fast, images), plain, rtol=1e-3, atol=1e-3)


def test_schedules() -> None:
    assert one_cycle(0) < 0.1 and one_cycle(0.1) == pytest.approx(1) and one_cycle(1) < 0.01
    assert relaxation(0.5, 0) == 1 and relaxation(0.5, 0.5) == 0 and relaxation(0.5, 0.9) == 0
    assert relaxation(0, 0) == 0


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    tree = {"a": [torch.arange(5), {"b": 3, "c": [1.5, "x"]}], "d": torch.tensor(2.5)}
    path = tmp_path / "a" / "checkpoint.npz"
    checkpoint.save(path, tree)
    back = checkpoint.load(path)
    assert torch.equal(back["a"][0], tree["a"][0]) and back["a"][1] == {"b": 3, "c": [1.5, "x"]}
    assert back["d"].shape == () and float(back["d"]) == 2.5
    assert [entry.name for entry in path.parent.iterdir()] == ["checkpoint.npz"]


@pytest.mark.parametrize("cut", [0, 10, 300])
def test_damaged_checkpoint(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, {"a": torch.arange(100)})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ArtefactError, match="damaged checkpoint"):
        checkpoint.load(path)


def test_checkpoint_of_another_version(source: DigitSource, tmp_path: Path) -> None:
    phase = Phase(name="teacher", epochs=1, rate=5e-3)
    trainer(source, tmp_path).run(network("tiny", "dense"), phase)
    (path,) = tmp_path.iterdir()
    tree = checkpoint.load(path)
    for damaged in ({**tree, "net": {}}, {"net": tree["net"]}, {**tree, "records": [{"loss": 1}]}):
        checkpoint.save(path, damaged)
        with pytest.raises(ArtefactError, match="checkpoint of another version"):
            trainer(source, tmp_path).run(network("tiny", "dense"), phase)
