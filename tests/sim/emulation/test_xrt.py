"""Samples through the real XRT on an emulated card, and the ends of either side in the middle."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from twofold.hw.boards import default
from twofold.hw.contract.presets import folding, network
from twofold.sim.emulation.environment import emulation, run
from twofold.sim.testbenches.kernel_runner import create_job
from twofold.sim.workloads.random_network import random_inputs, random_quantized

HERE = Path(__file__).parent
SAMPLES = 30
LONG = 60_000
"""Samples of a run that takes minutes."""
SECONDS = 60.0


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("job")
    quantized = random_quantized(network("tiny"), 3)
    inputs = random_inputs(quantized.network, SAMPLES, 5)
    create_job(quantized, folding("tiny"), inputs, directory)
    return directory


@pytest.fixture
def variables() -> Iterator[Mapping[str, str]]:
    with emulation() as found:
        yield found


def command(host: str, bitstream: Path, job: Path, unit: int, samples: int = 0, runs: int = 2):
    program = str(HERE / f"{host}_host.py")
    rest = (f"twofold_{unit}", str(samples), str(runs))
    return [sys.executable, program, str(bitstream), str(job), *rest]


WITH_PYNQ = pytest.mark.skipif(find_spec("pynq") is None, reason="PYNQ is not installed")


@pytest.mark.parametrize(
    "host, unit",
    [
        ("c", 1),
        ("c", 2),
        pytest.param("pynq", 1, marks=WITH_PYNQ),
        pytest.param("pynq", 2, marks=WITH_PYNQ),
    ],
)
def test_samples_equal_the_golden_model(host, unit, emulated, job, variables, tmp_path):
    done = run(command(host, emulated, job, unit), variables, seconds=SECONDS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    bank = default().bank(unit - 1)
    assert f"bank {bank} runs 3 wrong 0" in done.stdout, done.stdout + done.stderr


def test_two_hosts_at_a_time(emulated, job, variables, tmp_path):
    with started(command("c", emulated, job, 1, runs=20), variables, tmp_path) as first:
        done = run(command("c", emulated, job, 2), variables, seconds=SECONDS, cwd=tmp_path)
        assert f"bank {default().bank(1)} runs 3 wrong 0" in done.stdout, done.stdout + done.stderr
        out, err = first.communicate(timeout=SECONDS)
        assert "bank 0 runs 21 wrong 0" in out, out + err


def test_a_host_ends_when_its_card_does(emulated, job, variables, tmp_path):
    with started(command("c", emulated, job, 1, samples=LONG, runs=1), variables, tmp_path) as host:
        until_ready(host)
        (device,) = [
            pid for pid, samples in session(host.pid).items() if b"device" in samples.split(b"\0")
        ]
        os.kill(device, signal.SIGKILL)
        begun = time.monotonic()
        _, err = host.communicate(timeout=20)
        assert time.monotonic() - begun < 10
        assert host.returncode < 0
        assert "the device process ended with status 137; ending its host" in err
        wait_until_empty(host.pid)


def test_a_host_ends_when_its_card_is_killed_with_all_around_it(emulated, job, variables, tmp_path):
    """Device process and script at once, so that none of them can tell how the other ended."""
    with started(command("c", emulated, job, 1, samples=LONG, runs=1), variables, tmp_path) as host:
        until_ready(host)
        around = [pid for pid in session(host.pid) if pid != host.pid]
        assert len(around) >= 2
        for pid in around:
            os.kill(pid, signal.SIGSTOP)  # nobody sees another go
        for pid in around:
            os.kill(pid, signal.SIGKILL)
        _, err = host.communicate(timeout=20)
        assert host.returncode < 0
        assert "the device process ended with status unknown; ending its host" in err
        wait_until_empty(host.pid)


def test_a_card_ends_when_its_host_does(emulated, job, variables, tmp_path):
    with started(command("c", emulated, job, 1, samples=LONG, runs=1), variables, tmp_path) as host:
        until_ready(host)
        assert len(session(host.pid)) >= 3
        host.kill()
        host.communicate(timeout=20)
        wait_until_empty(host.pid)


def test_a_missing_interpreter_is_told(emulated, job, variables, tmp_path):
    broken = dict(variables) | {"TWOFOLD_PYTHON": "no-such-python"}
    done = run(command("c", emulated, job, 1), broken, seconds=SECONDS, cwd=tmp_path)
    assert done.returncode < 0
    assert "twofold emulation: no-such-python is missing; put python3 on PATH" in done.stderr


def started(arguments: list[str], variables: Mapping[str, str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments,
        env=os.environ | dict(variables),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def until_ready(host: subprocess.Popen[str]) -> None:
    assert host.stdout is not None
    for line in host.stdout:
        if line.strip() == "ready":
            time.sleep(0.5)
            assert host.poll() is None
            return
    raise AssertionError(host.communicate()[1])


def session(leader: int) -> dict[int, bytes]:
    """Command lines of the processes of a session."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[3]) == leader:
            found[int(entry.name)] = line
    return found


def wait_until_empty(leader: int) -> None:
    end = time.monotonic() + 15
    while session(leader):
        assert time.monotonic() < end, session(leader)
        time.sleep(0.05)
