"""LiteRT with files of ours, against ONNX Runtime and the reference in NumPy."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.sim.workloads.random_network import random_inputs, random_quantized
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.bench.floats import float_inputs
from twofold.sw.bench.job import Job, RefusedError, Run
from twofold.sw.bench.models import float_model, int8_model
from twofold.sw.bench.reference import even_logits, float_logits
from twofold.sw.bench.subjects import VARIANTS

MISSING = "LiteRT is not installed"
NETWORK = Network(
    "uneven",
    (3, 11, 9),
    (
        Conv2d(out_channels=8, kernel=(3, 2), stride=(2, 1), padding=(1, 0, 2, 1), pool=(1, 2)),
        Conv2d(out_channels=12, kernel=(2, 3), padding=1, k=5),
        Conv2d(out_channels=16, kernel=(1, 1)),
        Linear(out_features=20, k=7),
        Linear(out_features=6),
    ),
    labels=(),
    zero_point=77,
)
"""Channels, sides, edges and strides that all differ; winners of both kinds."""


@pytest.fixture(scope="module")
def litert() -> Any:
    pytest.importorskip("ai_edge_litert", reason=MISSING)
    return import_module("twofold.sw.bench.engines.litert")


@pytest.fixture(scope="module")
def networks() -> Any:
    pytest.importorskip("ai_edge_litert", reason=MISSING)
    return import_module("twofold.sw.bench.tflite.networks")


def load(litert: Any, artefact: Path, precision: str, batch: int, threads: int = 1) -> Run:
    nothing = Path()
    job = Job("any", precision, batch, threads, nothing, nothing, artefact, nothing)
    return litert.engine().load(job)


def logits(run: Run, inputs: np.ndarray, batch: int) -> np.ndarray:
    blocks = range(0, len(inputs), batch)
    return np.concatenate([run(inputs[at : at + batch]).copy() for at in blocks])


def by_onnxruntime(model: onnx.ModelProto, inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(None, {"image": inputs})[0])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (16, 2)])
def test_int8_gives_the_integers_of_onnxruntime_and_of_the_reference(
    litert: Any, inputs: np.ndarray, variant: str, batch: int, threads: int
):
    artefact = shipped("tiny", variant)
    found = logits(load(litert, artefact, "int8", batch, threads), inputs, batch)
    quantized = QuantizedNetwork.load(artefact)
    assert np.array_equal(found, by_onnxruntime(int8_model(quantized), inputs))
    assert np.array_equal(found, even_logits(quantized, inputs))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("variant", ["dense", "pruned"])
def test_float32_agrees_with_onnxruntime(
    litert: Any, networks: Any, inputs: np.ndarray, variant: str, sparse: bool
):
    quantized = QuantizedNetwork.load(shipped("tiny", variant))
    x = float_inputs(quantized, inputs)
    loaded = litert.Loaded(networks.float_file(quantized, 8, sparse=sparse), 1)
    found = logits(loaded, x, 8)
    step = np.abs(found).max() * 1e-5
    assert np.abs(found - by_onnxruntime(float_model(quantized), x)).max() < step
    assert np.abs(found - float_logits(quantized, inputs)).max() < step


def test_either_form_of_a_pruned_network_may_be_chosen(litert: Any, inputs: np.ndarray):
    artefact = shipped("tiny", "pruned")
    quantized = QuantizedNetwork.load(artefact)
    expected = float_logits(quantized, inputs)
    found = logits(load(litert, artefact, "fp32", 4), float_inputs(quantized, inputs), 4)
    assert np.abs(found - expected).max() < np.abs(expected).max() * 1e-5


def test_any_shape_padding_stride_and_winners(litert: Any, tmp_path: Path):
    quantized = random_quantized(NETWORK, 5)
    inputs = random_inputs(NETWORK, 24, 5)
    quantized.save(tmp_path / "uneven.npz")
    found = logits(load(litert, tmp_path / "uneven.npz", "int8", 8), inputs, 8)
    expected = even_logits(quantized, inputs)
    assert np.ptp(expected) > 100
    assert np.array_equal(found, expected)


def test_only_zeros_in_plenty_are_left_out(networks: Any):
    dense = QuantizedNetwork.load(shipped("gsc", "dense"))
    pruned = QuantizedNetwork.load(shipped("gsc", "pruned"))
    assert networks.float_file(dense, 1, sparse=True) == networks.float_file(dense, 1)
    sizes = [len(networks.float_file(pruned, 1, sparse=sparse)) for sparse in (False, True)]
    assert sizes[1] < 0.4 * sizes[0]


def test_sparse_layers_of_a_pruned_network_are_not_delegated(litert: Any, networks: Any):
    quantized = QuantizedNetwork.load(shipped("gsc", "pruned"))
    loaded = litert.interpreter.Interpreter(
        model_content=networks.float_file(quantized, 1, sparse=True)
    )
    loaded.allocate_tensors()
    sparse = [one["name"] for one in loaded.get_tensor_details() if one["sparsity_parameters"]]
    assert sparse == ["linear1.weight"]
    litert.check_delegated(loaded)


def test_layers_that_xnnpack_leaves_are_refused(litert: Any, networks: Any):
    quantized = QuantizedNetwork.load(shipped("tiny", "dense"))
    loaded = litert.interpreter.Interpreter(
        model_content=networks.int8_file(quantized, 1),
        experimental_op_resolver_type=(
            litert.interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    )
    loaded.allocate_tensors()
    names = "conv1.weight, conv2.weight, linear1.weight, linear2.weight"
    with pytest.raises(RefusedError, match=f"XNNPACK does not take {names}"):
        litert.check_delegated(loaded)
