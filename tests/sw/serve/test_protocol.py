"""The protocol without a network: requests, answers, and what is refused."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.hw.contract import presets
from twofold.sim.workloads.random_network import random_quantized
from twofold.sw.golden import forward
from twofold.sw.serve.protocol import (
    SAMPLES_MAX,
    ProtocolError,
    answer,
    metadata,
    outputs_of,
    parse,
    refuse_version,
)

QUANTIZED = random_quantized(presets.network("tiny"), 3)
NETWORK = QUANTIZED.network
INPUTS = np.random.default_rng(4).integers(0, 256, (3, 1, 8, 8), dtype=np.uint8)


def tensor(**members: Any) -> dict[str, Any]:
    return {"name": "input", "datatype": "UINT8", "shape": [3, 1, 8, 8], **members}


def request(tree: dict[str, Any] | None = None, **members: Any) -> bytes:
    whole = {"inputs": [tensor(**{"data": INPUTS.ravel().tolist(), **(tree or {})})], **members}
    return json.dumps(whole).encode()


def binary(size: int = INPUTS.size) -> tuple[bytes, str]:
    tree = {"inputs": [tensor(parameters={"binary_data_size": size})]}
    head = json.dumps(tree).encode()
    return head + INPUTS.tobytes(), str(len(head))


def test_numbers_flat_nested_and_binary_are_the_same() -> None:
    for found in (
        parse(NETWORK, request(), None),
        parse(NETWORK, request({"data": INPUTS.tolist()}), None),
        parse(NETWORK, *binary()),
    ):
        np.testing.assert_array_equal(found.inputs, INPUTS)
        assert found.inputs.dtype == np.uint8
        assert found.outputs == {"logits": False, "probabilities": False, "label": False}
        assert found.id == ""


def test_outputs_and_id() -> None:
    wanted = [{"name": "label"}, {"name": "logits", "parameters": {"binary_data": True}}]
    found = parse(NETWORK, request(outputs=wanted, id="a7"), None)
    assert dict(found.outputs) == {"label": False, "logits": True} and found.id == "a7"
    everything = parse(NETWORK, request(parameters={"binary_data_output": True}), None)
    assert set(everything.outputs.values()) == {True}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "the request: needs an object"),
        (b"{}", "inputs: needs a list of one tensor"),
        (request(id=7), "id: needs text"),
        (request(parameters=[]), r"the request\.parameters: needs an object"),
        (request({"name": "x"}), "there is no input 'x'"),
        (request({"datatype": "FP32"}), "datatype is 'FP32', needs UINT8"),
        (request({"shape": [3, 8, 8]}), r"shape is \[3, 8, 8\], needs \[1\.\.4096, 1, 8, 8\]"),
        (request({"shape": [0, 1, 8, 8]}), "shape is"),
        (request({"shape": [SAMPLES_MAX + 1, 1, 8, 8]}), "shape is"),
        (request({"shape": [True, 1, 8, 8]}), "shape is"),
        (request({"shape": "all"}), "shape is all"),
        (request({"data": [1, 2, 3]}), "holds 3 values, needs 192 integers"),
        (request({"data": [[1], [2, 3]]}), "ragged|holds"),
        (request({"data": [0.5] * 192}), "integers"),
        (request({"data": ["a"] * 192}), "integers"),
        (request({"data": [10**30] * 192}), "integers"),
        (request({"data": [256] * 192}), r"256\.\.256, needs 0\.\.255"),
        (request({"data": [-1] * 192}), r"-1\.\.-1"),
        (request({"data": None}), "integers"),
        (request(outputs=[]), "outputs: needs a list"),
        (request(outputs=[{"name": "x"}]), "'x' is not one of logits"),
        (request(outputs=[{"name": "label"}, {"name": "label"}]), "twice"),
        (
            request(outputs=[{"name": "label", "parameters": {"classification": 3}}]),
            "classification is not supported",
        ),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message) as refused:
        parse(NETWORK, body, None)
    assert refused.value.status == 400 and len(str(refused.value)) < 300


def test_lengths_of_binary_tensors_have_to_fit() -> None:
    body, head = binary()
    for length in ("x", "-1", "1.5", str(len(body) + 1), "9" * 50, "٣"):
        with pytest.raises(ProtocolError, match="no length within the body"):
            parse(NETWORK, body, length)
    for wrong in (body[:-1], body + b"\0"):
        with pytest.raises(ProtocolError, match="binary bytes"):
            parse(NETWORK, wrong, head)
    for size in (INPUTS.size + 1, 0):
        with pytest.raises(ProtocolError, match="binary bytes"):
            parse(NETWORK, *binary(size))
    with pytest.raises(ProtocolError, match="belong to no tensor"):
        parse(NETWORK, request() + b"\0", str(len(request())))


@settings(max_examples=40)
@given(st.binary(max_size=300), st.none() | st.text(max_size=6))
def test_any_bytes_are_answered(body: bytes, length: str | None) -> None:
    with pytest.raises(ProtocolError):
        parse(NETWORK, body, length)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.sampled_from(["name", "datatype", "shape", "data", "parameters"]), VALUES)
def test_any_member_of_a_tensor_is_answered(member: str, value: Any) -> None:
    try:
        found = parse(NETWORK, request({member: value}), None)
    except ProtocolError:
        return
    np.testing.assert_array_equal(found.inputs, INPUTS)


@pytest.mark.parametrize("raw", [False, True])
def test_answers(raw: bool) -> None:
    wanted = parse(NETWORK, request(id="5", parameters={"binary_data_output": raw}), None)
    logits = forward(QUANTIZED, INPUTS).logits
    body, head = answer("tiny", QUANTIZED, wanted, logits)
    assert (head is not None) == raw
    tree, rest = json.loads(body[:head]), body[head or len(body) :]
    assert (tree["model_name"], tree["model_version"], tree["id"]) == ("tiny", "1", "5")
    values = {}
    for one in tree["outputs"]:
        kind = {"INT32": "<i4", "FP32": "<f4"}[one["datatype"]]
        if raw:
            size = one["parameters"]["binary_data_size"]
            flat, rest = np.frombuffer(rest[:size], kind), rest[size:]
        else:
            flat = np.array(one["data"], kind)
        values[one["name"]] = flat.reshape(one["shape"])
    assert not rest
    np.testing.assert_array_equal(values["logits"], logits)
    np.testing.assert_array_equal(values["label"], logits.argmax(axis=1))
    np.testing.assert_allclose(values["probabilities"], QUANTIZED.probabilities(logits), atol=1e-6)


def test_metadata_describes_what_is_answered() -> None:
    tree = metadata("tiny", NETWORK)
    assert tree["inputs"] == [{"name": "input", "datatype": "UINT8", "shape": [-1, 1, 8, 8]}]
    assert {one["name"]: one["shape"] for one in tree["outputs"]} == {
        "logits": [-1, 10], "probabilities": [-1, 10], "label": [-1],
    }  # fmt: skip
    raw = replace(NETWORK, labels=())
    assert outputs_of(raw) == ("logits",)
    with pytest.raises(ProtocolError, match="no version '2'") as refused:
        refuse_version("2")
    assert refused.value.status == 404
