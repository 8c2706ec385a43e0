"""The search for complementary sets is bounded, and finds the same on every machine."""

import subprocess
import sys
import time

import numpy as np
import pytest

from twofold.sw.onnx.importer.structure import KERNELS_MAX, apart, sets_by_search, sets_in_order

LARGE = """
import resource
import sys
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.assemble import import_onnx

units, inputs = int(sys.argv[1]), 36
rng = np.random.default_rng(0)
weight = rng.integers(-99, 99, (units, inputs)) * (rng.random((units, inputs)) < 0.05)
constants = {
    "s": np.float32(0.5), "z": np.uint8(0), "w": np.ones((1, 1, 1, 1), np.int8),
    "v": weight.astype(np.int8), "u": rng.integers(-9, 9, (3, units)).astype(np.int8),
}
nodes = [
    helper.make_node("DequantizeLinear", ["image", "s", "z"], ["x"]),
    helper.make_node("DequantizeLinear", ["w", "s"], ["wf"]),
    helper.make_node("Conv", ["x", "wf"], ["c"]),
    helper.make_node("QuantizeLinear", ["c", "s", "z"], ["cq"]),
    helper.make_node("DequantizeLinear", ["cq", "s", "z"], ["cf"]),
    helper.make_node("Flatten", ["cf"], ["f"]),
    helper.make_node("DequantizeLinear", ["v", "s"], ["vf"]),
    helper.make_node("Gemm", ["f", "vf"], ["g"], transB=1),
    helper.make_node("QuantizeLinear", ["g", "s", "z"], ["gq"]),
    helper.make_node("DequantizeLinear", ["gq", "s", "z"], ["gf"]),
    helper.make_node("DequantizeLinear", ["u", "s"], ["uf"]),
    helper.make_node("Gemm", ["gf", "uf"], ["y"], transB=1),
]
graph = helper.make_graph(
    nodes, "large",
    [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 1, 6, 6])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
try:
    found = import_onnx(model.SerializeToString())
    assert found.network.layers[1].out_features == units == 4000
except OnnxError as error:
    assert units == 60000 and "too many for 32 bits" in str(error)
used = resource.getrusage(resource.RUSAGE_SELF)
# ru_maxrss would count what the parent had before exec; VmHWM is this program's own
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) >> 10, used.ru_utime + used.ru_stime)
"""


@pytest.mark.parametrize("units", [4000, 60000])
def test_large_layers_take_seconds_and_less_than_a_gibibyte(units):
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(units)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    mebibytes, seconds = done.stdout.split()
    assert int(mebibytes) < 1024 and float(seconds) < 60


def shuffled(sets: int, slots: int, inputs: int) -> np.ndarray:
    rng = np.random.default_rng(sets)
    used = np.zeros((sets * slots, inputs), dtype=bool)
    for group in range(sets):
        owner = rng.permutation(np.arange(inputs) % slots)
        used[group * slots : (group + 1) * slots] = owner == np.arange(slots)[:, np.newaxis]
    return used[rng.permutation(len(used))]


def test_sets_of_a_layer_of_4000_are_found():
    used = shuffled(250, 16, 1600)
    found = sets_by_search(used, 3000)
    assert found is not None and found[0] == 250
    assert sets_in_order(used[found[1]]) == 250


def test_the_search_finds_the_same_again():
    used = shuffled(20, 16, 400)
    first, again = sets_by_search(used, 300), sets_by_search(used, 300)
    assert first is not None and again is not None
    assert first[0] == again[0] and np.array_equal(first[1], again[1])


def test_sets_in_order_are_found_in_layers_too_large_to_search():
    kernels = np.arange(2 * KERNELS_MAX)
    used = np.arange(32) == (kernels // (KERNELS_MAX // 8))[:, np.newaxis]
    assert sets_by_search(used, len(used)) is None
    assert sets_in_order(used) == KERNELS_MAX // 8


def test_pairs_are_compared_in_blocks():
    used = np.random.default_rng(5).random((1100, 2100)) < 0.001
    shared = used.astype(np.float32) @ used.T.astype(np.float32)
    assert np.array_equal(apart(used), shared == 0) and (shared > 0).any()


def test_hopeless_searches_end():
    used = np.random.default_rng(6).random((3000, 200)) < 0.05
    start = time.process_time()
    assert sets_by_search(used, 2000) is None
    assert time.process_time() - start < 30
