"""The Open Inference Protocol, version 2, with its extension for binary tensors: what a request
asks for, and the answer. No network code; requests are untrusted.

A network has one input, ``input`` (UINT8, its own shape behind the number of samples), and up to
three outputs: ``logits`` (INT32) and, if it has labels, ``probabilities`` (FP32) and ``label``
(INT32, the index of the largest logit).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.network import Network
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.errors import InputError

INPUT, LOGITS, PROBABILITIES, LABEL = "input", "logits", "probabilities", "label"
PLATFORM = "twofold"
VERSION = "1"
SAMPLES_MAX = 4096
"""Samples of a request."""
HEADER_LENGTH = "inference-header-content-length"
ID_LENGTH = 128
TYPES = {LOGITS: "INT32", PROBABILITIES: "FP32", LABEL: "INT32"}
"""Data type of each output."""


class ProtocolError(InputError):
    """A request that is not answered with tensors, and the HTTP status that says why."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, eq=False)
class Request:
    """What a client asks for.

    Attributes
    ----------
    inputs: uint8 ``[samples, channels, height, width]``.
    outputs: names, and whether each is to come in binary.
    id: of the client's, to be sent back; may be empty.
    """

    inputs: NDArray[np.uint8]
    outputs: Mapping[str, bool]
    id: str


def outputs_of(network: Network) -> tuple[str, ...]:
    """Names of the outputs."""
    return (LOGITS, PROBABILITIES, LABEL) if network.labelled else (LOGITS,)


def metadata(name: str, network: Network) -> dict[str, Any]:
    """The model's metadata."""
    shapes = {LABEL: [-1]}
    return {
        "name": name,
        "versions": [VERSION],
        "platform": PLATFORM,
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, *network.input_shape]}],
        "outputs": [
            {"name": one, "datatype": TYPES[one], "shape": shapes.get(one, [-1, network.outputs])}
            for one in outputs_of(network)
        ],
        "parameters": {"labels": list(network.labels)},
    }


def parse(network: Network, body: bytes, header_length: str | None) -> Request:
    """A request from its body; ``header_length`` is the value of the HTTP header `HEADER_LENGTH`,
    where there is one: that many bytes are JSON, the others binary tensors.

    Raises ProtocolError.
    """
    size = len(body) if header_length is None else _size(header_length, len(body))
    tree = _object(_json(body[:size]), "the request")
    inputs = tree.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1:
        raise ProtocolError(f"inputs: needs a list of one tensor, {INPUT!r}")
    found = tree.get("id", "")
    if not isinstance(found, str) or len(found) > ID_LENGTH:
        raise ProtocolError(f"id: needs text of up to {ID_LENGTH} characters")
    samples = _tensor(network, _object(inputs[0], "inputs[0]"), body[size:])
    return Request(samples, _outputs(network, tree), found)


def _size(text: str, most: int) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 12 or int(text) > most:
        raise ProtocolError(
            f"{HEADER_LENGTH}: {text[:40]!r} is no length within the body of {most}"
        )
    return int(text)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the request is not JSON: {error or 'nested too deeply'}") from error


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProtocolError(f"{where}: needs an object")
    return value


def _parameters(tree: Mapping[str, Any], where: str) -> dict[str, Any]:
    return _object(tree.get("parameters", {}), f"{where}.parameters")


def _tensor(network: Network, tree: Mapping[str, Any], rest: bytes) -> NDArray[np.uint8]:
    if tree.get("name") != INPUT:
        raise ProtocolError(f"inputs[0]: there is no input {tree.get('name')!r}, only {INPUT!r}")
    if tree.get("datatype") != "UINT8":
        raise ProtocolError(f"{INPUT}: datatype is {tree.get('datatype')!r}, needs UINT8")
    shape = _shape(network, tree.get("shape"))
    count = int(np.prod(shape))
    size = _parameters(tree, INPUT).get("binary_data_size")
    if size is None:
        if rest:
            raise ProtocolError(f"{len(rest)} bytes behind the JSON belong to no tensor")
        return _numbers(tree.get("data"), count).reshape(shape)
    if "data" in tree or type(size) is not int or not size == len(rest) == count:
        raise ProtocolError(
            f"{INPUT}: {len(rest)} binary bytes, binary_data_size {str(size)[:20]}, needs {count} "
            "of them and no data beside"
        )
    return np.frombuffer(rest, np.uint8).reshape(shape)


def _shape(network: Network, shape: Any) -> list[int]:
    needed = list(network.input_shape)
    whole = isinstance(shape, list) and all(type(one) is int for one in shape)
    if not whole or shape[1:] != needed or not 1 <= shape[0] <= SAMPLES_MAX:
        raise ProtocolError(
            f"{INPUT}: shape is {str(shape)[:80]}, needs [1..{SAMPLES_MAX}, {str(needed)[1:]}"
        )
    return shape


def _numbers(data: Any, count: int) -> NDArray[np.uint8]:
    """Numbers in a list, or in nested lists."""
    try:
        found = np.asarray(data)
    except ValueError as error:
        raise ProtocolError(f"{INPUT}: data is ragged") from error
    if found.dtype.kind not in "iu" or found.size != count:
        raise ProtocolError(f"{INPUT}: data holds {found.size} values, needs {count} integers")
    if found.min() < 0 or found.max() > 255:
        raise ProtocolError(f"{INPUT}: data is in {found.min()}..{found.max()}, needs 0..255")
    return found.astype(np.uint8).ravel()


def _outputs(network: Network, tree: Mapping[str, Any]) -> dict[str, bool]:
    """Names of the outputs that are asked for, all by default, and whether each is binary."""
    binary = bool(_parameters(tree, "the request").get("binary_data_output", False))
    asked = tree.get("outputs")
    known = outputs_of(network)
    if asked is None:
        return dict.fromkeys(known, binary)
    if not isinstance(asked, list) or not 1 <= len(asked) <= len(known):
        raise ProtocolError(f"outputs: needs a list of {', '.join(known)}")
    found: dict[str, bool] = {}
    for one in asked:
        name = _object(one, "outputs").get("name")
        if not isinstance(name, str) or name not in known or name in found:
            raise ProtocolError(f"outputs: {name!r} is not one of {', '.join(known)}, or is twice")
        parameters = _parameters(one, name)
        if "classification" in parameters:
            raise ProtocolError(f"{name}: classification is not supported; {LABEL!r} has the class")
        found[name] = bool(parameters.get("binary_data", binary))
    return found


def answer(
    name: str, quantized: QuantizedNetwork, request: Request, logits: NDArray[np.int32]
) -> tuple[bytes, int | None]:
    """Body of the answer, and how many bytes of it are JSON if others follow."""
    binary: list[bytes] = []
    described: list[dict[str, Any]] = []
    for output, raw in request.outputs.items():
        values = _value(output, quantized, logits)
        tree = {"name": output, "datatype": TYPES[output], "shape": list(values.shape)}
        if raw:
            binary.append(values.tobytes())
            tree["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            tree["data"] = values.ravel().tolist()
        described.append(tree)
    head = {"model_name": name, "model_version": VERSION, "outputs": described}
    text = json.dumps(head | ({"id": request.id} if request.id else {})).encode()
    return b"".join([text, *binary]), len(text) if binary else None


def _value(
    output: str, quantized: QuantizedNetwork, logits: NDArray[np.int32]
) -> NDArray[np.generic]:
    if output == PROBABILITIES:
        return quantized.probabilities(logits).astype("<f4")
    return (logits if output == LOGITS else logits.argmax(axis=1)).astype("<i4")


def server_metadata(version: str) -> dict[str, Any]:
    """The server's metadata."""
    return {"name": PLATFORM, "version": version, "extensions": ["binary_tensor_data"]}


def refuse_version(version: str, known: Sequence[str] = (VERSION,)) -> None:
    """Raise ProtocolError unless a model has this version."""
    if version not in known:
        raise ProtocolError(f"there is no version {version[:20]!r}, only {', '.join(known)}", 404)
