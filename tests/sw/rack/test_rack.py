"""A cluster of several nodes on this machine: nothing is lost when some of it is."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from twofold.sim.workloads.random_network import random_inputs
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped_file
from twofold.sw.data.speech import speak
from twofold.sw.golden import forward

ray = pytest.importorskip("ray")
cluster_utils = pytest.importorskip("ray.cluster_utils")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]

TINY = QuantizedNetwork.load(shipped_file("tiny-fast"))
INPUTS = random_inputs(TINY.network, 400, seed=4)
LOGITS = forward(TINY, INPUTS, keep_activations=False).logits
PATIENCE = 300.0


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head, and two nodes with two cards each, as they say."""
    found = cluster_utils.Cluster(
        initialize_head=True, connect=False, head_node_args={"num_cpus": 2}
    )
    try:
        for _ in range(2):
            found.add_node(num_cpus=1, resources={"twofold_unit": 2})
        yield found
    finally:
        found.shutdown()


class Served:
    """``twofold serve --ray`` and its clients."""

    def __init__(self, cluster: Any, replicas: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "twofold.sw.cli.main", "serve", "tiny-fast", "--port", "0",
                "--device", "cpu", "--ray", "--cluster", cluster.address, "--replicas", replicas,
            ],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        self.address = line.removeprefix("http://").removesuffix("/v2")
        assert self.address.startswith("127.0.0.1:"), line
        self.answers, self.wrong = 0, []
        self._lock, self._go_on = threading.Lock(), True
        self._clients: list[threading.Thread] = []

    def load(self, clients: int) -> None:
        """Let clients ask, one request after another."""
        self._clients = [
            threading.Thread(target=self._ask, args=(number,)) for number in range(clients)
        ]
        for client in self._clients:
            client.start()

    def _ask(self, number: int) -> None:
        """Each request has samples that no other one has; the answer has to be theirs."""
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        at = number
        while self._go_on:
            at = (at + 7) % (len(INPUTS) - 8)
            samples = INPUTS[at : at + 8]
            tensor = {"name": "input", "datatype": "UINT8", "shape": list(samples.shape)}
            asked = {
                "id": f"{number}-{at}",
                "inputs": [{**tensor, "data": samples.ravel().tolist()}],
            }
            connection.request("POST", "/v2/models/tiny-fast/infer", json.dumps(asked))
            answer = connection.getresponse()
            told = json.loads(answer.read())
            with self._lock:
                self.answers += 1
                if answer.status != 200 or told["id"] != asked["id"]:
                    self.wrong.append((answer.status, told))
                    continue
                logits = next(one for one in told["outputs"] if one["name"] == "logits")
                if logits["data"] != LOGITS[at : at + 8].ravel().tolist():
                    self.wrong.append((at, "other logits"))

    def wait(self, answers: int) -> None:
        """Until so many more requests are answered."""
        wanted, end = self.answers + answers, time.monotonic() + PATIENCE
        while self.answers < wanted:
            assert time.monotonic() < end, f"{self.answers} answers, {wanted} wanted"
            time.sleep(0.02)

    def stop(self) -> int:
        """The clients, then the server; its exit code."""
        self._go_on = False
        for client in self._clients:
            client.join(PATIENCE)
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def replicas_of(name: str) -> list[int]:
    """Process numbers of the replicas of a network."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                title = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(b"ray::ServeReplica:" + name.encode()):
                found.append(int(entry.name))
    return found


def wait_for_replicas(name: str, count: int) -> list[int]:
    end = time.monotonic() + PATIENCE
    while len(found := replicas_of(name)) != count:
        assert time.monotonic() < end, f"{len(found)} replicas, {count} wanted"
        time.sleep(0.2)
    return found


def test_a_replica_and_a_node_are_killed_under_load(cluster, capsys) -> None:
    served = Served(cluster, "3")
    try:
        served.load(clients=6)
        served.wait(200)
        victim = wait_for_replicas("tiny-fast", 3)[0]
        os.kill(victim, signal.SIGKILL)
        served.wait(200)
        cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
        served.wait(400)
    finally:
        code = served.stop()
    with capsys.disabled():
        print(f"\n{served.answers} answers, {len(served.wrong)} lost or wrong")
    assert served.wrong == [] and served.answers >= 800 and code == 0


def test_throughput_and_autoscaling(cluster, capsys) -> None:
    """More replicas come under load; the figures are for the reader."""
    rates = {}
    for replicas in ("1", "2", "4", "1:3"):
        served = Served(cluster, replicas)
        try:
            served.load(clients=8)
            served.wait(100)
            if replicas == "1:3":
                wait_for_replicas("tiny-fast", 3)
            before, begun = served.answers, time.monotonic()
            served.wait(300)
            rates[replicas] = (served.answers - before) / (time.monotonic() - begun)
        finally:
            assert served.stop() == 0
        assert served.wrong == []
    with capsys.disabled():
        print("\nrequests/s by replicas:", {name: round(rate) for name, rate in rates.items()})


def test_a_folder_through_ray_data(cluster, tmp_path: Path) -> None:
    """The rows of ``twofold infer`` without a cluster; a damaged file stops nothing."""
    for index, word in enumerate(("yes", "no", "left", "stop", "go")):
        soundfile.write(tmp_path / f"{index}.wav", speak(word), 16_000)
    (tmp_path / "5.wav").write_bytes(b"RIFF")
    command = [sys.executable, "-m", "twofold.sw.cli.main", "infer", "--device", "cpu", "--json"]
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    alone = subprocess.run([*command, *files], capture_output=True, text=True)
    options = ["--ray", "--cluster", cluster.address, "--replicas", "1:2", str(tmp_path)]
    many = subprocess.run([*command, *options], capture_output=True, text=True)
    assert (alone.returncode, many.returncode) == (7, 7), many.stderr
    wanted, found = json.loads(alone.stdout)["files"], json.loads(many.stdout)["files"]
    assert found == wanted and len(found) == 6
    assert np.mean([row.get("label") == word for row, word in zip(
        found, ("yes", "no", "left", "stop", "go"), strict=False)]) > 0.5  # fmt: skip


def test_a_device_that_does_not_open(cluster) -> None:
    command = [sys.executable, "-m", "twofold.sw.cli.main", "serve", "tiny-fast", "--port", "0"]
    options = ["--device", "xrt:0", "--ray", "--cluster", cluster.address]
    found = subprocess.run([*command, *options], capture_output=True, text=True, timeout=PATIENCE)
    assert found.returncode == 12, found.stderr
    assert "no replica of tiny-fast comes up" in found.stderr.splitlines()[-1]
