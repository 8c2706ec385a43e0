"""What follows the logits: listed when it is dropped, refused when it matters."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.assemble import import_onnx
from twofold.sw.onnx.importer.summary import lines, summary


def ends(build, *nodes: onnx.NodeProto, opset: int = 13) -> bytes:
    """The small model with further nodes behind its logits ``y``; the last makes the output."""
    model = build()
    model.opset_import[0].version = opset
    model.graph.node.extend(nodes)
    model.graph.output[0].CopyFrom(helper.make_empty_tensor_value_info(nodes[-1].output[0]))
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(0.25, np.float32), "quarter"),
            numpy_helper.from_array(np.array(-1, np.float32), "minus"),
            numpy_helper.from_array(np.array([-1, 3]), "rows"),
            numpy_helper.from_array(np.array([3, -1]), "columns"),
        ]
    )
    return model.SerializeToString()


def step(kind: str, *inputs: str, out: str = "end", **options: Any) -> onnx.NodeProto:
    return helper.make_node(kind, [*(inputs or ("y",))], [out], f"the {kind}", **options)


DROPPED = {
    "softmax": [step("Softmax", axis=1)],
    "softmax, last axis": [step("Softmax", axis=-1)],
    "softmax, axis left out": [step("Softmax")],
    "log softmax": [step("LogSoftmax", axis=1)],
    "argmax": [step("ArgMax", axis=1)],
    "argmax without its axis": [step("ArgMax", axis=1, keepdims=0)],
    "quantized": [step("QuantizeLinear", "y", "quarter", "z")],
    "cast": [step("Cast", to=TensorProto.INT32)],
    "several": [
        step("QuantizeLinear", "y", "quarter", "z", out="a"),
        step("DequantizeLinear", "a", "quarter", "z", out="b"),
        step("Softmax", "b", axis=1),
    ],
}


@pytest.mark.parametrize("case", DROPPED)
def test_what_is_dropped_is_listed(build, case):
    found = summary(import_onnx(ends(build, *DROPPED[case])))
    kinds = [node.op_type for node in DROPPED[case] if node.op_type != "DequantizeLinear"]
    assert len(found["dropped"]) == len(kinds)
    assert all(f"({kind})" in text for kind, text in zip(kinds, found["dropped"], strict=True))
    assert sum("dropped: " in line for line in lines(found)) == len(kinds)


def test_nothing_is_dropped_from_plain_logits(build):
    assert summary(import_onnx(build().SerializeToString()))["dropped"] == []


REFUSED = {
    "softmax over samples": ([step("Softmax", axis=0)], "axis is 0, which is not that of the"),
    "argmax over samples": ([step("ArgMax")], "axis is 0, which is not that of the classes"),
    "last of equals": ([step("ArgMax", axis=1, select_last_index=1)], "takes the last of equal"),
    "to bool": ([step("Cast", to=TensorProto.BOOL)], "logits become BOOL"),
    "negated": ([step("Mul", "y", "minus")], "one number above 0"),
    "transposed": ([step("Transpose", perm=[1, 0])], "Transpose"),
    "turned": ([step("Reshape", "y", "columns")], "shape of the logits becomes"),
    "flat": ([step("Flatten", axis=0)], "axis is 0, needs 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_changes_the_label_is_refused(build, case):
    nodes, message = REFUSED[case]
    with pytest.raises(OnnxError, match=message):
        import_onnx(ends(build, *nodes))


def test_softmax_of_older_operator_sets_is_over_the_classes(build):
    assert import_onnx(ends(build, step("Softmax"), opset=11)).provenance["dropped"]


def test_factors_scale_the_logits(build):
    plain = import_onnx(build().SerializeToString())
    scaled = import_onnx(ends(build, step("Mul", "y", "quarter")))
    assert scaled.logit_scale == plain.logit_scale / 4 and not scaled.provenance["dropped"]


def test_outputs_that_are_not_logits_are_listed(build):
    model = build()
    model.graph.output.append(helper.make_empty_tensor_value_info("h"))
    assert "output 'h'" in import_onnx(model.SerializeToString()).provenance["dropped"][0]
