"""Networks and data of one's own, from Python and from the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import twofold
from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import Complementary, Grouped
from twofold.hw.contract.sparsified import Sparsities
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.cli.main import main
from twofold.sw.data.digits import digits
from twofold.sw.errors import DatasetError, TrainingError
from twofold.sw.golden.model import forward
from twofold.sw.quantize.integer import integer_logits
from twofold.sw.train.arrays import ArraySource, completed
from twofold.sw.train.module import describe_module
from twofold.sw.train.own import describe, own_recipe

TEN = tuple(map(str, range(10)))


class Small(nn.Module):
    """A depthwise block, a layer without ReLU, and functions instead of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding="same", bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.point = nn.Conv2d(8, 12, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.last = nn.Linear(12, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.first(x)))
        x = self.depth(x)
        x = self.pool(nn.functional.relu(self.point(x)))
        return self.last(x.view(x.size(0), -1))


def test_a_module_is_described() -> None:
    network = describe_module(Small(), (1, 8, 8), TEN, zero_point=3)
    first, depth, point, last = network.stages
    assert first.padding == (1, 1, 1, 1) or first.padding == 1
    assert depth.layer.sparsity == Grouped(8) and depth.layer.zero == 128 and not first.layer.zero
    assert point.pool == 8 and point.layer.pools.name == "mean" and point.out_shape == (12, 1, 1)
    assert last.last and network.zero_point == 3 and network.labels == TEN


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([nn.Conv2d(1, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(144, 10)], "GELU is not one of"),
        ([nn.Conv2d(1, 4, 3, dilation=2), nn.Flatten(), nn.Linear(64, 10)], "needs dilation 1"),
        ([nn.Conv2d(1, 4, 3), nn.MaxPool2d(3, 1), nn.Flatten(), nn.Linear(64, 10)], "overlap"),
        ([nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 10)], "pooling follows a convolution"),
        ([nn.ReLU(), nn.Flatten(), nn.Linear(64, 10)], "comes before any layer"),
        ([nn.Flatten(), nn.Linear(64, 10), nn.ReLU()], "ends in ReLU"),
        ([nn.Flatten(), nn.Linear(64, 9)], "10 labels for a module with"),
        ([nn.Flatten()], "no layer with weights"),
    ],
)
def test_modules_that_do_not_fit_are_named(layers: list[nn.Module], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        describe_module(nn.Sequential(*layers), (1, 8, 8), TEN)


def test_branches_are_refused() -> None:
    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.conv(x)

    with pytest.raises(NetworkError, match=r"add is not one of .*branches"):
        describe_module(Branch(), (1, 8, 8), TEN)


def test_structure_follows_shares_unless_it_is_there() -> None:
    network = describe_module(Small(), (1, 8, 8), TEN)
    sparse = describe(network, shares=Sparsities(0.25, 0.25))
    first, depth, point, _ = sparse.layers
    assert (first.k, depth.k, point.k) == (2, None, 3)  # no winners where negatives are kept
    assert point.sparsity == Complementary(3) and depth.sparsity == Grouped(8)
    assert describe(sparse) == sparse and sparse.name == "own-sparse-sparse"
    dense = describe(sparse, "dense")
    assert dense.layers == network.layers and dense.name == "own-dense"
    with pytest.raises(TrainingError, match="choose one of dense"):
        describe(network, "fast")


def test_a_module_becomes_a_sparse_network() -> None:
    images, classes = digits("all")
    real = torch.from_numpy(images).float()[:, None] / 128 - 0.5
    data = DataLoader(TensorDataset(real, torch.from_numpy(classes)), batch_size=100)
    epochs: list[str] = []
    module = Small().train()
    found = twofold.train(
        module, data, weights=0.25, activations=0.25, scale=0.06, name="small",
        report=lambda record: epochs.append(record.phase),
    )  # fmt: skip
    assert all(part.training for part in module.modules()), "as it was"
    assert found.network.name == "small-sparse-sparse" and set(epochs) == {
        "teacher", "student", "polish",
    }  # fmt: skip
    scale, zero = found.input["scale"], found.network.zero_point
    assert zero == round(0.5 / scale)
    bytes_ = np.clip(np.rint(real[:300].numpy() / scale) + zero, 0, 255).astype(np.uint8)
    logits = integer_logits(found, bytes_)
    np.testing.assert_array_equal(logits, forward(found, bytes_).logits)
    assert (logits.argmax(1) == classes[:300]).mean() > 0.2  # of ten classes, after few steps
    assert all((layer.weight != 0).mean() < 0.5 for layer in found.layers[1:3])


def test_data_that_does_not_fit() -> None:
    images, classes = digits("all")
    with pytest.raises(DatasetError, match="samples of shape"):
        twofold.train(QuantizedNetwork.load(shipped("tiny", "dense")), (images[:, :4], classes))
    with pytest.raises(DatasetError, match="from 0 to 9"):
        twofold.train(Small(), (images, classes + 1))
    with pytest.raises(DatasetError, match="20 samples in split train, needs at least 256"):
        twofold.train(Small(), (images[:24], classes[:24]))
    real = images.astype(np.float32)
    real[3, 2, 1] = np.nan
    with pytest.raises(DatasetError, match="not finite"):
        twofold.train(Small(), (real, classes))
    with pytest.raises(NetworkError, match="share of 2"):
        twofold.train(Small(), (images, classes), weights=2)


def test_sets_are_apart_and_epochs_are_whole() -> None:
    images = np.arange(400, dtype=np.uint8).repeat(4).reshape(400, 1, 2, 2)
    classes = np.arange(400) % 3
    splits = completed({"train": (images, classes)})
    assert {name: len(found) for name, (found, _) in splits.items()} == {
        "train": 320, "val": 40, "test": 40,
    }  # fmt: skip
    source = ArraySource(splits, 3, {"kind": "array"}, teacher=lambda x: x.flatten(1)[:, :3] * 0.0)
    generator = torch.Generator().manual_seed(0)
    drawn = [source.batch(128, generator) for _ in range(source.steps)]
    seen = torch.cat([found[:, 0, 0, 0] for found, _ in drawn])
    assert source.steps == 2 and len(seen) == 256
    target = drawn[0][1]
    torch.testing.assert_close(target.sum(1), torch.ones(128))
    assert float(target.max()) == pytest.approx(0.3 + 0.7 / 3)


def test_epochs_follow_the_size_of_the_data() -> None:
    network = describe(describe_module(Small(), (1, 8, 8), TEN))
    few, many = own_recipe(network, 10), own_recipe(network, 4000)
    assert few.student is not None and many.student is not None
    assert few.student.epochs == 400 and many.student.epochs == 4
    assert own_recipe(describe(network, "dense"), 10).student is None


def test_a_dense_artefact_is_not_trained_again() -> None:
    dense, sparse = (QuantizedNetwork.load(shipped("tiny", name)) for name in ("dense", "fast"))
    wanted = describe(dense.network, "sparse-sparse", Sparsities())
    assert own_recipe(wanted, 10, given=dense).given is dense
    assert own_recipe(wanted, 10, given=sparse).given is None
    assert own_recipe(describe(dense.network, "dense"), 10, given=dense).given is None
    phases: list[str] = []
    found = twofold.train(
        dense, digits("all"), scale=0.001, report=lambda record: phases.append(record.phase)
    )
    assert phases and "teacher" not in phases
    assert any((layer.weight == 0).mean() > 0.5 for layer in found.layers)


def test_a_structure_is_trained_layer_by_layer() -> None:
    dense, fast = (QuantizedNetwork.load(shipped("tiny", name)) for name in ("dense", "fast"))
    phases: list[str] = []
    found = twofold.train(
        dense, digits("all"), structure=fast.network, scale=0.001,
        report=lambda record: phases.append(record.phase),
    )  # fmt: skip
    assert phases and "teacher" not in phases
    assert found.network.layers == describe(fast.network).layers
    other = replace(fast.network, input_shape=(1, 8, 9))
    with pytest.raises(NetworkError, match="differ in more than sparsity"):
        twofold.train(dense, digits("all"), structure=other)


def test_an_artefact_is_trained_on_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, classes = digits("all")
    np.savez(tmp_path / "data.npz", x=images, y=classes)
    own, out = shipped("tiny", "dense"), tmp_path / "own.npz"
    line = ["train", "--network", str(own), "--data", str(tmp_path / "data.npz"), "--out", str(out)]
    line += ["--work", str(tmp_path / "work"), "--scale", "0.02", "--json"]
    assert main([*line, "--weights", "0.2", "--activations", "0.25"]) == 0
    right = json.loads(capsys.readouterr().out)["accuracy"]
    found = QuantizedNetwork.load(out)
    assert found.network.name == "tiny-sparse-sparse"
    assert found.provenance["accuracy"] == right["int8"]
    assert main([*line, "--start", str(own)]) == 2
    assert "--start is for the networks that ship" in capsys.readouterr().err


def test_shares_are_for_a_network_of_yours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["train", "--net", "tiny", "--out", str(tmp_path / "x.npz"), "--weights", "0.2"]
    assert main(line) == 2
    assert "--weights is for a network of yours" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*line[:-1], "1.5"])
    assert not list(tmp_path.iterdir())
