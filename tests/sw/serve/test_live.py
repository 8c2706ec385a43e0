"""Live audio over a WebSocket: windows, words and winners; clients that are no good."""

import base64
import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped_file
from twofold.sw.data.features import HOP, log_power
from twofold.sw.data.frontend import stream
from twofold.sw.data.speech import speak
from twofold.sw.golden import forward
from twofold.sw.serve.connections import FRAGMENTS
from twofold.sw.serve.live import MESSAGE

PATIENCE = 60.0
GAP = np.zeros(8000, np.float32)
NOISE = np.random.default_rng(5).normal(0, 1e-2, 64_000).astype(np.float32)
TOKEN = "a secret of enough letters"


@pytest.fixture(scope="module")
def listening(start) -> str:
    """A server that gives up on clients after 2 s."""
    return start("gsc-fast", "tiny-fast", "--idle", "2", "--streams", "8")[1]


@contextmanager
def joined(address: str, rate: int = 16_000, **options: Any) -> Iterator[ClientConnection]:
    """A connection that has been greeted."""
    url = f"ws://{address}/live/gsc-fast?rate={rate}"
    with connect(url, open_timeout=PATIENCE, **options) as found:
        assert json.loads(found.recv(PATIENCE))["model"] == "gsc-fast"
        yield found


def send(client: ClientConnection, samples: np.ndarray, size: int = 3001) -> None:
    for at in range(0, len(samples), size):
        client.send(samples[at : at + size].astype("<f4").tobytes())


def rest(client: ClientConnection) -> tuple[list[Any], list[Any], str, int]:
    """Windows, looks, the error, and the code with which the server closes."""
    windows, looks, error = [], [], ""
    try:
        while True:
            message = json.loads(client.recv(PATIENCE))
            windows += message.get("windows", [])
            looks += message.get("looks", [])
            error = message.get("error", error)
    except ConnectionClosed as closed:
        return windows, looks, error, closed.rcvd.code if closed.rcvd else 0


def hears(address: str) -> None:
    """The server still answers."""
    with joined(address) as client:
        send(client, NOISE)
        client.send("end")
        windows, _, error, code = rest(client)
    assert (len(windows), error, code) == ((125 - 32) // 2 + 1, "", 1000)


def gauge(address: str, name: str) -> float:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return float(text.split(f'{name}{{model="gsc-fast"}} ')[1].split()[0])


def wait_until_alone(address: str) -> None:
    end = time.monotonic() + PATIENCE
    while gauge(address, "twofold_streams"):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_windows_words_and_winners(listening: str) -> None:
    """Those of the whole recording, to the last bit."""
    samples = np.concatenate([GAP, speak("yes"), GAP, GAP, speak("stop"), GAP, GAP, GAP])
    network = QuantizedNetwork.load(shipped_file("gsc-fast"))
    images = stream(log_power(samples[None], HOP)[0], network.front_end or "")
    with joined(listening) as client:
        send(client, samples)
        client.send("end")
        windows, looks, error, code = rest(client)
    assert (error, code) == ("", 1000)
    golden = forward(network, images)
    assert [one["index"] for one in windows] == [*range(len(images))]
    for one in windows:
        if one["logits"] is not None:
            assert one["logits"] == golden.logits[one["index"]].tolist()
            assert base64.b64decode(one["image"]) == images[one["index"]].tobytes()
    assert [one["word"]["label"] for one in windows if one["word"]] == ["yes", "stop"]
    assert looks
    for look in looks:
        at = look["index"]
        assert look["logits"] == golden.logits[at].tolist()
        assert look["multiplications"] == golden.multiplications[at].sum()
        for told, activations in zip(look["winners"], golden.activations, strict=True):
            bits = np.unpackbits(np.frombuffer(base64.b64decode(told), np.uint8))
            lit = (activations[at] != 0).ravel()
            assert (bits[: len(lit)] == lit).all() and not bits[len(lit) :].any()


def test_another_rate(listening: str) -> None:
    samples = np.concatenate([GAP, speak("left"), GAP, GAP])
    with joined(listening, 44_100) as client:
        send(client, soxr.resample(samples, 16_000, 44_100))
        client.send("end")
        windows, _, error, code = rest(client)
    assert (error, code) == ("", 1000)
    assert [one["word"]["label"] for one in windows if one["word"]] == ["left"]


@pytest.mark.parametrize(
    ("messages", "code", "error"),
    [
        ([np.full(100, np.nan, "<f4").tobytes()], 1003, "not all finite"),
        ([np.full(100, 9, "<f4").tobytes()], 1003, "9 times full scale"),
        ([b"abc"], 1008, "3 bytes are no whole"),
        (["start"], 1008, "'start' is not 'end'"),
        ([b"\0" * (MESSAGE + 4)], 1009, ""),
        ([], 1008, "nothing was sent for 2 s"),
    ],
)
def test_bad_messages(listening: str, messages: list[Any], code: int, error: str) -> None:
    with joined(listening) as client:
        for message in messages:
            client.send(message)
        _, _, found, closed = rest(client)
    assert closed == code and error in found and bool(found) == bool(error)
    hears(listening)


@pytest.mark.parametrize(
    ("path", "headers", "status", "error"),
    [
        ("/live/none", {}, 404, "no model 'none'"),
        ("/live/tiny-fast", {}, 400, "finds no words in audio"),
        ("/live/gsc-fast?rate=100", {}, 400, "needs 4000..192000"),
        ("/live/gsc-fast?rate=1e4", {}, 400, "needs 4000..192000"),
        ("/live/gsc-fast?rate=" + "9" * 50, {}, 400, "needs 4000..192000"),
        ("/live/gsc-fast", {"Origin": "http://evil.example"}, 403, "may not listen here"),
        ("/live/gsc-fast", {"Host": "evil.example"}, 403, "not this machine"),
    ],
)
def test_refused_connections(
    listening: str, path: str, headers: dict[str, str], status: int, error: str
) -> None:
    connection = http.client.HTTPConnection(listening, timeout=PATIENCE)
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    }  # fmt: skip
    connection.request("GET", path, headers=upgrade | headers)
    answer = connection.getresponse()
    assert answer.status == status and error in json.loads(answer.read())["error"]
    connection.close()


def test_a_token_is_needed(start) -> None:
    _, address = start("gsc-fast", TWOFOLD_TOKEN=TOKEN)
    with pytest.raises(InvalidStatus, match="401"), joined(address):
        pass
    secret = base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
    offered: Any = ["twofold.live.1", f"bearer.{secret}"]
    with joined(address, subprotocols=offered) as client:
        assert client.subprotocol == "twofold.live.1"
    with joined(address, additional_headers={"Authorization": f"Bearer {TOKEN}"}):
        pass
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200  # the page asks for it
    connection.close()


def raw(address: str) -> socket.socket:
    """A WebSocket without a client behind it."""
    host, port = address.split(":")
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    found.settimeout(PATIENCE)
    found.connect((host, int(port)))
    key = base64.b64encode(bytes(16)).decode()
    found.sendall(
        f"GET /live/gsc-fast HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    assert found.recv(12) == b"HTTP/1.1 101"
    return found


def memory(process: Any) -> int:
    """Bytes that a process holds."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"\x00\x80" + bytes(4), id="empty fragments"),
        pytest.param(b"\x89\xfd" + bytes(129), id="pings without reading"),
    ],
)
def test_frames_without_end(listening: str, frame: bytes) -> None:
    client = raw(listening)
    client.sendall(b"\x02\x80" + bytes(4))  # a message begins
    with pytest.raises(ConnectionError), client:
        for _ in range(4000):
            client.sendall(frame * FRAGMENTS)
    hears(listening)


def test_clients_that_vanish_or_do_not_read(start) -> None:
    """They are given up, and hold no more than a stream's room meanwhile."""
    process, address = start("gsc-fast", "--idle", "2")
    hears(address)
    before = memory(process)
    size = 16_384
    frame = b"\x82\xff" + (4 * size).to_bytes(8, "big") + bytes(4)
    frame += np.resize(NOISE, size).astype("<f4").tobytes()
    clients = [raw(address) for _ in range(4)]
    clients[0].close()

    def flood(client: socket.socket) -> None:
        client.settimeout(PATIENCE)
        with pytest.raises(ConnectionError), client:
            for _ in range(20_000):
                client.sendall(frame)

    floods = [threading.Thread(target=flood, args=(client,)) for client in clients[1:]]
    for one in floods:
        one.start()
    most = 0
    while any(one.is_alive() for one in floods):
        most = max(most, memory(process))
        time.sleep(0.05)
    wait_until_alone(address)
    assert most - before < 120 << 20
    hears(address)


def test_no_more_streams_than_allowed(start) -> None:
    _, address = start("gsc-fast", "--streams", "2")
    with joined(address), joined(address):
        with pytest.raises(InvalidStatus, match="503"), joined(address):
            pass
        assert gauge(address, "twofold_streams") == 2
    wait_until_alone(address)
    hears(address)


def test_a_stop_answers_what_was_heard(start) -> None:
    process, address = start("gsc-fast")
    with joined(address) as client:
        send(client, NOISE)
        first = json.loads(client.recv(PATIENCE))["windows"]
        process.send_signal(signal.SIGTERM)
        windows, _, error, code = rest(client)
    assert (len(first + windows), error, code) == ((125 - 32) // 2 + 1, "", 1012)
    assert process.wait(PATIENCE) == 0
