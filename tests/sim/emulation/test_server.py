"""The device process, without XRT: its answers, its card, and when it ends."""

import io
import json
import os
import socket
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from twofold.hw.contract import regs
from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding
from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.hw.contract.presets import folding, network
from twofold.hw.contract.regs import Control, Operation, Status
from twofold.hw.verilog.kernel import machine_kernel
from twofold.hw.xclbin.xclbin import decode
from twofold.sim.emulation.bitstream import card_library
from twofold.sim.emulation.card import Card, CardError, CardPlan, UnitPlace, read_plan
from twofold.sim.emulation.protocol import Api, Fields, Message, ProtocolError, call
from twofold.sim.emulation.server import LIBRARY, PLAN, Server, connect
from twofold.sim.testbenches.kernel_job import KernelJob
from twofold.sim.testbenches.kernel_runner import create_job
from twofold.sim.workloads.random_network import random_inputs, random_quantized, with_outputs

NO_PROCESS = 2**22 + 1
"""Above the highest process number of Linux."""


@pytest.fixture(scope="module")
def simulation(emulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in the bitstream, unpacked."""
    directory = tmp_path_factory.mktemp("simulation")
    with zipfile.ZipFile(io.BytesIO(decode(emulated.read_bytes()).bitstream)) as archive:
        archive.extractall(directory)
    return directory / "behav_waveform" / "xsim"


@pytest.fixture
def card(simulation: Path) -> Iterator[Card]:
    made = Card(simulation / LIBRARY, read_plan((simulation / PLAN).read_text()))
    yield made
    made.close()


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> KernelJob:
    quantized = random_quantized(network("tiny"), 7)
    inputs = random_inputs(quantized.network, 6, 5)
    return create_job(quantized, folding("tiny"), inputs, tmp_path_factory.mktemp("job"))


class Host:
    """Runs samples on a unit through the calls that XRT makes."""

    def __init__(self, card: Card, unit: int) -> None:
        self.server = Server(card)
        place = card.plan.units[unit]
        self.registers, self.memory = place.base, place.memories[0][0]

    def ask(self, api: Api, fields: Fields) -> Fields:
        return self.server.answer(Message(api, fields))

    def store(self, offset: int, content: bytes) -> None:
        fields = {3: self.memory + offset, 4: content, 5: len(content), 6: 0}
        assert self.ask(Api.WRITE_BUFFER, fields) == {1: len(content)}

    def set(self, name: str, value: int) -> None:
        one = regs.register(name)
        content = value.to_bytes(one.size, "little")
        fields = {2: self.registers + one.offset, 3: len(content), 4: content}
        assert self.ask(Api.WRITE_REGISTERS, fields) == {1: 1}

    def get(self, name: str) -> int:
        one = regs.register(name)
        answer = self.ask(Api.READ_REGISTERS, {2: self.registers + one.offset, 3: one.size})
        assert answer[1] == 1
        content = answer[2]
        assert isinstance(content, bytes)
        assert len(content) == one.size
        return int.from_bytes(content, "little")

    def run(self, **arguments: int) -> Status:
        for name, value in arguments.items():
            self.set(name, value)
        self.set("control", Control.START)
        for _ in range(100_000):
            if self.get("control") & Control.DONE:
                status = Status(self.get("status"))
                self.set("control", Control.CONTINUE)
                return status
        raise AssertionError("the run does not end")

    def load(self, job: KernelJob) -> Status:
        self.store(0, job.image)
        return self.run(operation=Operation.LOAD, image=self.memory, parameter_bytes=len(job.image))

    def samples(self, job: KernelJob) -> bytes:
        source, target = 1 << 20, 2 << 20
        self.store(source, job.samples)
        status = self.run(
            operation=Operation.RUN,
            input=self.memory + source,
            output=self.memory + target,
            samples=job.count,
        )
        assert status == Status.OK
        size = len(job.results)
        answer = self.ask(Api.READ_BUFFER, {4: self.memory + target, 5: size, 6: 0})
        content = answer[2]
        assert isinstance(content, bytes)
        return content


@pytest.mark.parametrize("unit", [0, 1])
def test_samples_through_calls(card: Card, job: KernelJob, unit: int):
    host = Host(card, unit)
    assert host.load(job) == Status.OK
    assert host.samples(job) == job.results
    beats = (len(job.image) + len(job.samples)) // 64
    assert card.beats == (beats, job.count)
    assert host.get("runs") == 2
    assert host.get("cycles") < card.cycles


@pytest.mark.parametrize(("outputs", "labelled"), [(35, True), (100, False)])
def test_results_of_any_size(build: Path, tmp_path: Path, outputs: int, labelled: bool):
    """A card with a single unit of another machine, in the same device process; without XRT."""
    conv = Conv2d(out_channels=4, kernel=(2, 2), stride=2, k=3)
    shape = Network("other", (1, 4, 4), (conv, Linear(out_features=2)), ("a", "b"))
    quantized = random_quantized(with_outputs(shape, outputs, labelled=labelled), 7)
    machine = Folding((GatherFolding(cols=2), ScatterFolding(lanes=5)), input_bytes=4)
    kernel = machine_kernel(quantized.network, machine, build)
    library = card_library(kernel, build)
    place = UnitPlace("twofold_1", base=1 << 24, size=1 << 16, memories=((0, 1 << 24),))
    job = create_job(quantized, machine, random_inputs(quantized.network, 30, 5), tmp_path)
    card = Card(library, CardPlan(units=(place,), timeout=20_000))
    try:
        host = Host(card, 0)
        assert host.get("outputs") == outputs | (0 if labelled else 1 << 31)
        assert host.load(job) == Status.OK
        assert host.samples(job) == job.results
        assert host.get("results") == job.count
        assert card.beats[1] == job.count * -(-(outputs + labelled) // 16)
    finally:
        card.close()


def test_time_stands_still_without_work(card: Card, job: KernelJob):
    host = Host(card, 0)
    host.load(job)
    before = card.cycles
    assert card.step(1000) == 0
    assert card.cycles - before <= 1
    host.get("status")
    assert card.cycles - before < 20


def test_units_that_work_share_the_clock(card: Card, job: KernelJob):
    hosts = [Host(card, unit) for unit in (0, 1)]
    for host in hosts:
        assert host.load(job) == Status.OK
        host.store(1 << 20, job.samples)
        host.set("operation", Operation.RUN)
        host.set("input", host.memory + (1 << 20))
        host.set("output", host.memory + (2 << 20))
        host.set("samples", job.count)
    alone = card.cycles
    for host in hosts:
        host.set("control", Control.START)
    while card.step(10_000):
        pass
    both = card.cycles - alone
    for host in hosts:
        assert host.get("status") == Status.OK
        assert host.get("cycles") <= both < 2 * host.get("cycles") + 2 * card.plan.timeout
    assert card.read(hosts[0].memory + (2 << 20), len(job.results)) == job.results
    assert card.read(hosts[1].memory + (2 << 20), len(job.results)) == job.results


def test_a_unit_reaches_its_own_bank_only(card: Card, job: KernelJob):
    host = Host(card, 0)
    other = card.plan.units[1].memories[0][0]
    status = host.run(operation=Operation.LOAD, image=other, parameter_bytes=len(job.image))
    assert status == Status.READ_DECERR
    assert host.load(job) == Status.OK


def test_memory_remembers_across_blocks_and_ends(simulation: Path):
    plan = read_plan((simulation / PLAN).read_text())
    small = CardPlan(units=plan.units, timeout=plan.timeout, memory_bytes=3 << 16)
    card = Card(simulation / LIBRARY, small)
    content = bytes(range(256)) * 300
    card.write(0xFFF0, content)
    assert card.read(0xFFE0, len(content) + 32) == bytes(16) + content + bytes(16)
    assert card.read(1 << 60, 4) == bytes(4)
    with pytest.raises(CardError, match="exhausted at 0 MiB; use smaller buffers"):
        card.write(1 << 40, b"x")
    card.close()


def test_registers_of_nobody_are_invalid(card: Card):
    server = Server(card)
    assert server.answer(Message(Api.READ_REGISTERS, {2: 16, 3: 8})) == {1: 0, 2: bytes(8)}
    assert server.answer(Message(Api.WRITE_REGISTERS, {2: 16, 3: 4, 4: bytes(4)})) == {1: 0}


def test_unknown_calls_are_told_once(card: Card, capfd: pytest.CaptureFixture[str]):
    server = Server(card)
    for _ in range(2):
        assert server.answer(Message(99, {})) == {}
    assert capfd.readouterr().err.count("call 99 is unknown") == 1


def test_a_call_without_its_field_is_named(card: Card):
    with pytest.raises(ProtocolError, match="lacks the bytes in field 4"):
        Server(card).answer(Message(Api.WRITE_BUFFER, {3: 0}))
    with pytest.raises(ProtocolError, match="lacks the number in field 5"):
        Server(card).answer(Message(Api.READ_BUFFER, {4: 0}))


@pytest.mark.parametrize("end", ["close", "leave"])
def test_serving_ends_with_the_host(card: Card, end: str):
    host, device = socket.socketpair()
    thread = threading.Thread(target=Server(card).serve, args=(device, os.getpid()))
    thread.start()
    with device:
        with host:
            host.sendall(call(Api.MESSAGES, {1: 1}))
            assert host.recv(64) == bytes.fromhex("090000000000000000")
            if end == "close":
                host.sendall(call(Api.CLOSE, {3: 1}))
                assert len(host.recv(64)) == 11
                thread.join(5)
        thread.join(5)
    assert not thread.is_alive()


def test_serving_ends_when_the_host_has_died_unseen(card: Card):
    host, device = socket.socketpair()
    with host, device:
        Server(card).serve(device, NO_PROCESS)


def test_a_host_that_never_listens_is_no_hang(tmp_path: Path):
    with pytest.raises(ProtocolError, match="no connection to the host"):
        connect(str(tmp_path / "socket"), NO_PROCESS)


def test_plans_come_back(card: Card):
    text = card.plan.to_json()
    assert json.loads(text)["latency"] == 100
    assert read_plan(text).to_json() == text
