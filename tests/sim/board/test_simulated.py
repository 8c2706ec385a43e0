"""The Verilated top of a board behind a pseudo-terminal, with the real back-end and a bad line."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twofold.hw.contract.link import FLAG, Command, Frame, Op, Space, State, Word, address
from twofold.hw.contract.parameters import ParameterStatus
from twofold.hw.contract.shipped import machine
from twofold.sim.board.simulated import SimulatedBoard, board_library
from twofold.sim.workloads.random_network import random_inputs
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped_file
from twofold.sw.cli.verbs.time import measure
from twofold.sw.driver import Accelerator
from twofold.sw.driver.replay import SAMPLES
from twofold.sw.errors import (
    DeviceLostError,
    DeviceRefusedError,
    DeviceTimeoutError,
    WrongPlatformError,
)
from twofold.sw.golden import forward
from twofold.sw.link.board import BoardEngine
from twofold.sw.link.device import open_serial
from twofold.sw.link.line import ATTEMPTS, Line, open_line
from twofold.sw.pack import pack

pytest.importorskip("serial")
MACHINE = machine("tiny-fast-small")
NETWORK, FOLDING = MACHINE.network, MACHINE.folding
SECONDS = 20.0
"""How long an answer may take: the simulation shares its processor with others."""
SHORT = 0.4
"""The same where answers are lost on purpose."""


@pytest.fixture(scope="module")
def library(build_cache: Path) -> Path:
    return board_library(NETWORK, FOLDING, build_cache)


@pytest.fixture(scope="module")
def quantized() -> QuantizedNetwork:
    return QuantizedNetwork.load(shipped_file("tiny-fast"))


@pytest.fixture
def image(quantized) -> bytes:
    return pack(quantized, FOLDING)


class Spoiled:
    """A direction of a line that spoils a byte now and then: changes, loses or doubles it."""

    def __init__(self, seed: int, chance: float) -> None:
        self._rng, self._chance, self.spoiled = random.Random(seed), chance, 0

    def __call__(self, content: bytes) -> bytes:
        return b"".join(self._byte(byte) for byte in content)

    def _byte(self, byte: int) -> bytes:
        if self._rng.random() >= self._chance:
            return bytes([byte])
        self.spoiled += 1
        changed = bytes([byte ^ 1 << self._rng.randrange(8)])
        return self._rng.choice((changed, b"", 2 * bytes([byte])))


def test_a_bad_line_gives_the_same_integers(library, quantized):
    """One byte in 1,500 is damaged, lost or doubled, in both directions."""
    inputs = random_inputs(NETWORK, 40, seed=3)
    golden = forward(quantized, inputs, keep_activations=False)
    lines = Spoiled(1, 1 / 1500), Spoiled(2, 1 / 1500)
    with SimulatedBoard(library, to_board=lines[0], from_board=lines[1]) as board:
        device = open_serial(board.port, NETWORK, FOLDING, seconds=SHORT)
        with Accelerator(device) as accelerator:
            accelerator.load(quantized)
            logits, labels = accelerator.infer(inputs)
    assert (logits == golden.logits).all() and (labels == golden.labels).all()
    assert min(line.spoiled for line in lines) > 3


def test_replays_are_measured_on_the_board(library, quantized, image):
    inputs = random_inputs(NETWORK, 3, seed=4)
    with SimulatedBoard(library) as board:
        engine = BoardEngine(open_line(board.port, 3_000_000, SECONDS), NETWORK, FOLDING)
        try:
            assert engine.load(image) == ParameterStatus.OK
            found = engine.replay(inputs, 20)
            once = engine.run(inputs)
            with pytest.raises(ValueError, match="the board keeps"):
                engine.replay(random_inputs(NETWORK, engine.capacity + 1, seed=1), 1)
        finally:
            engine.close()
    assert found.samples == 60
    plan = max(plan.cycles for plan in MACHINE.plans)
    assert found.cycles / 60 == pytest.approx(plan, rel=0.05)
    assert found.samples_per_second == pytest.approx(engine.clock_hz / plan, rel=0.05)
    golden = forward(quantized, inputs, keep_activations=False)
    assert (once.logits == golden.logits).all()
    assert once.counters["latency"] < once.counters["cycles"] < found.cycles


def test_time_tells_the_boards_own_speed(library, quantized):
    with SimulatedBoard(library) as board:
        device = open_serial(board.port, NETWORK, FOLDING, seconds=SECONDS)
        with Accelerator(device) as accelerator:
            accelerator.load(quantized)
            figures = measure(accelerator, 20, 1)
            found = figures["replay"]
    assert found["samples"] >= SAMPLES
    plan = max(plan.cycles for plan in MACHINE.plans)
    assert found["cycles"] / found["samples"] == pytest.approx(plan, rel=0.01)
    assert found["samples_per_second"] == pytest.approx(found["clock_hz"] / plan, rel=0.01)
    assert found["samples_per_second"] > 2 * figures["samples_per_second"]["median"]


def ask(line: Line, op: Any, where: int, *words: int) -> Frame:
    return line._ask(op, where, words, 0)


def test_what_a_board_refuses(library, image):
    """Nothing that is sent makes it hang, and the next request is answered."""
    with SimulatedBoard(library) as board, open_line(board.port, 3_000_000, SECONDS) as line:
        refused = [
            (Op.WRITE, address(Space.CONTROL, Command.START), (1,)),
            (Op.WRITE, address(Space.CONTROL, Word.RUN), (1,)),
            (Op.WRITE, address(Space.IMAGE, 0), (1,)),
            (Op.WRITE, address(Space.SAMPLES, (1 << 24) - 1), (1,)),
            (Op.WRITE, address(Space.RESULTS, 0), (1,)),
            (Op.WRITE, 99 << 24, (1,)),
            (Op.WRITE, address(Space.CONTROL, 0), ()),
            (Op.READ, address(Space.CONTROL, 0), (0,)),
            (Op.READ, address(Space.CONTROL, 0), (257,)),
            (Op.READ, address(Space.CONTROL, 0), (1, 1)),
            (Unknown(9), 0, (1,)),
        ]
        for op, where, words in refused:
            with pytest.raises(DeviceRefusedError):
                ask(line, op, where, *words)
            assert line.read(Space.CONTROL, Word.MAGIC)[0] == int.from_bytes(b"2FLK", "little")
        assert line.read(Space.COUNTERS, (1 << 24) - 1) == (0,)
        line.write(Space.CONTROL, Command.IMAGE, (4,))
        line.write(Space.IMAGE, 0, (0, 0))
        with pytest.raises(DeviceRefusedError):  # one has begun
            line.write(Space.CONTROL, Command.IMAGE, (8,))
        engine = BoardEngine(line, NETWORK, FOLDING)
        assert engine.load(b"\0" * 64) == ParameterStatus.BAD_MAGIC
        assert engine.load(image[:-64]) == ParameterStatus.BAD_LENGTH
        assert engine.load(image) == ParameterStatus.OK
        for samples, rounds in ((0, 1), (1, 0), (engine.capacity + 1, 1)):
            with pytest.raises(DeviceRefusedError):
                line.write(Space.CONTROL, Command.SAMPLES, (samples, rounds, 77))
        assert not line.read(Space.CONTROL, Word.STATE)[0] & State.RUNNING


class Unknown(int):
    """An operation that does not exist."""

    @property
    def name(self) -> str:
        return "nothing"


def test_a_run_that_is_started_twice_runs_once(library, image):
    with SimulatedBoard(library) as board, open_line(board.port, 3_000_000, SECONDS) as line:
        engine = BoardEngine(line, NETWORK, FOLDING)
        engine.load(image)
        engine.run(random_inputs(NETWORK, 2, seed=1))
        number = line.read(Space.CONTROL, Word.RUN)[0]
        before = line.read(Space.COUNTERS, 0, 2)
        line.write(Space.CONTROL, Command.SAMPLES, (2, 1, number))
        assert line.read(Space.CONTROL, Word.DONE) == (2,)
        assert line.read(Space.COUNTERS, 0, 2) == before


def test_half_a_packet_and_noise_are_dropped(library):
    with SimulatedBoard(library) as board, open_line(board.port, 3_000_000, SECONDS) as line:
        whole = Frame(Op.WRITE, 200, address(Space.SAMPLES, 0), tuple(range(50))).encode()
        for content in (whole[:30], random.Random(1).randbytes(300), bytes([FLAG] * 20)):
            line._send(content)
            assert line.read(Space.CONTROL, Word.VERSION) == (1,)
        assert line.read(Space.CONTROL, Word.DROPPED)[0] >= 1


def test_another_machine_on_the_board(library):
    other = machine("tiny-accurate-small")
    with SimulatedBoard(library) as board:
        with pytest.raises(WrongPlatformError, match=r"holds machine .* not .* of tiny-accurate"):
            open_serial(board.port, other.network, other.folding, seconds=SECONDS)
        open_serial(board.port, NETWORK, FOLDING, seconds=SECONDS).close()  # the port is free again


def test_unplugged(library, quantized):
    """While it runs: an error that says so, for everything that waits."""
    board = SimulatedBoard(library)
    device = open_serial(board.port, NETWORK, FOLDING, seconds=SHORT)
    with Accelerator(device) as accelerator:
        accelerator.load(quantized)
        ticket = accelerator.submit(np.zeros((5000, 8, 8), np.uint8))
        board.close()
        with pytest.raises((DeviceLostError, DeviceTimeoutError)):
            accelerator.result(ticket, 60)


def test_nothing_at_the_port(library):
    """A board that is there and says nothing."""
    with SimulatedBoard(library, from_board=lambda _: b"") as board:
        with pytest.raises(DeviceTimeoutError, match="does not answer"):
            open_serial(board.port, NETWORK, FOLDING, seconds=0.05)
        assert ATTEMPTS > 1
