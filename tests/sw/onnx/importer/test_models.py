"""Networks that others made: MLPerf Tiny, a jet-tagging MLP, FINN's keyword MLP.

`TWOFOLD_MODELS` names the folder of the ONNX files.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from twofold.sw.onnx.importer.assemble import import_onnx
from twofold.sw.onnx.importer.graph import Scale
from twofold.sw.onnx.importer.verify import verify

MODELS = Path(os.environ.get("TWOFOLD_MODELS", "does-not-exist"))
pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason="TWOFOLD_MODELS names no folder")

READ = {
    "mlperf_ad": (10, "QDQ, written by tflite2onnx"),
    "mlperf_kws": (11, "QDQ, written by tf2onnx"),
    "mlperf_vww": (29, "QDQ, written by tflite2onnx"),
    "qonnx_jet": (7, "QONNX (Quant nodes), written by tf2onnx"),
    "qonnx_kwsmlp": (7, "QONNX (Quant nodes), written by pytorch"),
}
"""Number of layers, with those for upper limits and means, and the dialect."""
SCALES = {"qonnx_jet": Scale(1 / 32, 128)}


def content(name: str) -> bytes:
    path = MODELS / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"no model {name}")
    return path.read_bytes()


@pytest.mark.parametrize("name", READ)
def test_labels_are_those_of_the_model(name):
    found = import_onnx(content(name), scale=SCALES.get(name))
    layers, dialect = READ[name]
    assert len(found.network.layers) == layers and found.provenance["dialect"] == dialect
    samples = 100 if name == "mlperf_vww" else 400
    shape = (samples, *found.network.input_shape)
    inputs = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    if name == "qonnx_jet":  # features of unit variance
        values = np.random.default_rng(0).normal(128, 32, shape)
        inputs = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    result = verify(content(name), found, inputs)
    assert result.labels >= 0.99
    assert result.within_ties is None or result.within_ties >= 0.99


def test_a_residual_network_is_read():
    """On noise its classes lie close together: in 2 % of the samples the two largest of ONNX
    Runtime's 8-bit logits are equal, and its own kernels agree on 98.75 % of the labels.
    """
    found = import_onnx(content("mlperf_ic"))
    assert [stage.name for stage in found.network.stages if len(stage.sources) > 1] == [
        "add1", "add2", "add3"
    ]  # fmt: skip
    inputs = np.random.default_rng(0).integers(0, 256, (400, 3, 32, 32), dtype=np.uint8)
    result = verify(content("mlperf_ic"), found, inputs)
    assert result.labels >= 0.98 and result.within_ties is not None and result.within_ties >= 0.99


@pytest.mark.parametrize("name", ["qonnx_jet", "qonnx_kwsmlp"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_quant_nodes_are_run_by_qonnx_where_it_is_installed(name):
    pytest.importorskip("qonnx")
    found = import_onnx(content(name), scale=SCALES.get(name))
    values = np.random.default_rng(0).normal(128, 32, (30, *found.network.input_shape))
    result = verify(content(name), found, np.clip(np.rint(values), 0, 255).astype(np.uint8))
    assert result.reference == "qonnx" and result.outputs == result.optimised == 1
