"""``twofold serve`` as a process: a client of the protocol that no one here wrote; and bad ones."""

import contextlib
import http.client
import json
import signal
import socket
import threading
import time
from typing import Any

import numpy as np
import pytest

from twofold.sim.workloads.random_network import random_inputs
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped_file
from twofold.sw.golden import forward

TINY = QuantizedNetwork.load(shipped_file("tiny-fast"))
INPUTS = random_inputs(TINY.network, 60, seed=6)
LOGITS = forward(TINY, INPUTS, keep_activations=False).logits
INFER = "/v2/models/tiny-fast/infer"
PATIENCE = 60.0


def ask(
    address: str, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.request(method, path, body, headers)
        found = connection.getresponse()
        return found.status, found.read()
    finally:
        connection.close()


def request(samples: np.ndarray) -> bytes:
    tensor = {"name": "input", "datatype": "UINT8", "shape": list(samples.shape)}
    return json.dumps({"inputs": [{**tensor, "data": samples.ravel().tolist()}]}).encode()


def logits_of(body: bytes) -> np.ndarray:
    (found,) = [one for one in json.loads(body)["outputs"] if one["name"] == "logits"]
    return np.array(found["data"]).reshape(found["shape"])


def test_triton_client_works_unchanged(served: str) -> None:
    client = pytest.importorskip("tritonclient.http")
    with client.InferenceServerClient(served, network_timeout=PATIENCE) as triton:
        assert triton.is_server_live() and triton.is_server_ready()
        assert triton.is_model_ready("tiny-fast") and triton.is_model_ready("gsc-fast", "1")
        assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        about = triton.get_model_metadata("tiny-fast")
        assert about["inputs"][0]["shape"] == [-1, 1, 8, 8]
        for binary in (True, False):
            wanted = client.InferInput("input", list(INPUTS.shape), "UINT8")
            wanted.set_data_from_numpy(INPUTS, binary_data=binary)
            outputs = [
                client.InferRequestedOutput(name, binary_data=binary)
                for name in ("logits", "label", "probabilities")
            ]
            for chosen in (outputs, None):
                found = triton.infer("tiny-fast", [wanted], outputs=chosen, request_id="9")
                np.testing.assert_array_equal(found.as_numpy("logits"), LOGITS)
                np.testing.assert_array_equal(found.as_numpy("label"), LOGITS.argmax(axis=1))
                assert found.get_response()["id"] == "9"
        wrong = client.InferInput("input", [1, 1, 9, 9], "UINT8")
        wrong.set_data_from_numpy(np.zeros((1, 1, 9, 9), np.uint8))
        with pytest.raises(client.InferenceServerException, match=r"needs \[1\.\.4096, 1, 8"):
            triton.infer("tiny-fast", [wrong])


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/v2/models/none", None, {}, 404),
        ("GET", "/v2/models/none/ready", None, {}, 404),
        ("GET", "/v2/models/tiny-fast/versions/2", None, {}, 404),
        ("POST", "/v2/models/none/infer", b"{}", {}, 404),
        ("POST", INFER, b"{}", {}, 400),
        ("POST", INFER, b"\xff" * 100, {}, 400),
        ("POST", INFER, b"x" * (1 << 21), {}, 413),
        ("POST", INFER, b"{}", {"Content-Encoding": "gzip"}, 415),
        ("POST", INFER, b"{}", {"Inference-Header-Content-Length": "7"}, 400),
        ("GET", INFER, None, {}, 405),
        ("GET", "/nothing", None, {}, 404),
    ],
)
def test_errors_have_their_status(
    served: str, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    found, text = ask(served, method, path, body, **headers)
    assert found == status
    assert any(key in json.loads(text) for key in ("error", "detail"))
    assert ask(served, "POST", INFER, request(INPUTS[:2]))[0] == 200


def test_many_clients_at_once(served: str) -> None:
    wrong: list[Any] = []

    def client(number: int) -> None:
        for at in range(number, 50, 10):
            status, body = ask(served, "POST", INFER, request(INPUTS[at : at + 3]))
            if status != 200 or (logits_of(body) != LOGITS[at : at + 3]).any():
                wrong.append((at, status))

    clients = [threading.Thread(target=client, args=(number,)) for number in range(10)]
    for one in clients:
        one.start()
    for one in clients:
        one.join(PATIENCE)
    assert wrong == []


def test_metrics(served: str) -> None:
    def counted() -> dict[str, float]:
        status, text = ask(served, "GET", "/metrics")
        assert status == 200
        lines = [line.rsplit(" ", 1) for line in text.decode().splitlines() if line[0] != "#"]
        return {name: float(value) for name, value in lines}

    right = 'twofold_requests_total{model="tiny-fast",status="200"}'
    bad = 'twofold_requests_total{model="tiny-fast",status="400"}'
    samples = 'twofold_samples_total{model="tiny-fast"}'
    before = counted()
    ask(served, "POST", INFER, request(INPUTS[:7]))
    ask(served, "POST", INFER, b"{}")
    after = counted()
    assert after[right] - before.get(right, 0) == 1 == after[bad] - before.get(bad, 0)
    assert after[samples] - before.get(samples, 0) == 7
    assert after['twofold_waiting{model="tiny-fast"}'] == 0


def test_clients_that_vanish(served: str) -> None:
    """In the header, in the body, and before the answer."""
    host, port = served.split(":")
    body = request(INPUTS[:20])
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for content in (b"POST /v2", head, head + body[:50], head + body):
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            connection.sendall(content)
    status, found = ask(served, "POST", INFER, request(INPUTS[:2]))
    assert status == 200 and (logits_of(found) == LOGITS[:2]).all()


def wait_for(address: str, status: int) -> None:
    """Until the server answers with this status; while it is full it may not answer at all."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(ConnectionResetError, http.client.RemoteDisconnected):
            if ask(address, "GET", "/v2/health/live")[0] == status:
                return
        time.sleep(0.1)
    raise AssertionError(f"no status {status}")


def test_crowds_of_idle_connections_are_bounded(start) -> None:
    _, address = start("tiny-fast", "--connections", "20")
    host, port = address.split(":")
    crowd = [socket.create_connection((host, int(port)), timeout=PATIENCE) for _ in range(150)]
    try:
        gone = []
        for connection in crowd:
            connection.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                with contextlib.suppress(ConnectionResetError):
                    assert connection.recv(1) == b""
                gone.append(connection)
        assert len(gone) >= 150 - 20 - 64 - 1
        open_ones = [one for one in crowd if one not in gone]
        for connection in open_ones[:30]:
            connection.close()
        wait_for(address, 503)
    finally:
        for connection in crowd:
            connection.close()
    wait_for(address, 200)


def test_token(start) -> None:
    token = "a secret of enough letters"
    _, address = start("tiny-fast", TWOFOLD_TOKEN=token)
    for path in ("/v2", "/metrics", "/v2/models/tiny-fast"):
        assert ask(address, "GET", path)[0] == 401
        assert ask(address, "GET", path, Authorization=f"Bearer {token}")[0] == 200
    assert ask(address, "POST", INFER, request(INPUTS[:1]))[0] == 401
    assert ask(address, "GET", "/v2/health/live")[0] == 200


def test_stops_when_asked_and_loses_nothing(start) -> None:
    """Under load: every request is answered rightly, or was refused."""
    process, address = start("tiny-fast")
    answers: list[int] = []
    wrong: list[Any] = []

    def client(number: int) -> None:
        at = number
        while True:
            try:
                status, body = ask(address, "POST", INFER, request(INPUTS[at : at + 4]))
            except (ConnectionRefusedError, ConnectionResetError, http.client.RemoteDisconnected):
                return
            if status == 200 and (logits_of(body) == LOGITS[at : at + 4]).all():
                answers.append(at)
            elif status != 503:
                wrong.append((at, status))

    clients = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for one in clients:
        one.start()
    until = time.monotonic() + PATIENCE
    while len(answers) < 30 and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    for one in clients:
        one.join(PATIENCE)
    assert wrong == [] and len(answers) >= 30
