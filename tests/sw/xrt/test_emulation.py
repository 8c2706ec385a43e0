"""The driver's tests again, on an emulated card through both runtimes; and what goes wrong."""

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from twofold.sim.emulation.environment import emulation, run
from twofold.sw.xrt.cards import cards

ROOT = Path(__file__).parents[3]
DRIVER_TESTS = ("test_accelerator.py", "test_batch.py", "test_lifetime.py")
SECONDS = 400.0
LOST = """
import os, signal, sys, threading, time
from pathlib import Path
import numpy as np
from twofold.hw.contract.presets import network
from twofold.sim.workloads.random_network import random_quantized
from twofold.sw.driver import Accelerator
from twofold.sw.xrt.device import open_xrt

def devices():
    for entry in Path("/proc").glob("[0-9]*"):
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
        words = (entry / "cmdline").read_bytes().split(b"\\0")
        if int(fields[3]) == os.getsid(0) and b"device" in words:
            yield int(entry.name)

with Accelerator(open_xrt(0, Path(sys.argv[1]))) as accelerator:
    accelerator.load(random_quantized(network("tiny")))
    ticket = accelerator.submit(np.zeros((20_000, 8, 8), np.uint8))
    time.sleep(1)
    assert not ticket.done
    (device,) = devices()
    print("killed", flush=True)
    os.kill(device, signal.SIGKILL)
    accelerator.result(ticket)
    print("done", flush=True)
"""
NO_SUCH_CARD = """
import sys
from pathlib import Path
from twofold.sw.errors import NoCardError
from twofold.sw.xrt.device import open_xrt
from twofold.sw.xrt.overlay import open_pynq

try:
    {"xrt": open_xrt, "pynq": open_pynq}[sys.argv[1]](7, Path(sys.argv[2]))
except NoCardError as error:
    print(error)
"""
NO_SUCH_UNIT = """
import sys
from dataclasses import replace
from pathlib import Path
from twofold.sw.errors import DeviceBusyError
from twofold.sw.xrt.bitstream import read_bitstream
from twofold.sw.xrt.device import XrtDevice

found = read_bitstream(Path(sys.argv[1]))
try:
    XrtDevice(0, replace(found, units=("twofold_9",)))
except DeviceBusyError as error:
    print(error)
device = XrtDevice(0, found)
print(*(unit.name for unit in device.units))
device.close()
"""

WITH_PYNQ = pytest.mark.skipif(find_spec("pynq") is None, reason="PYNQ is not installed")


def python(*arguments: str | Path) -> list[str]:
    return [sys.executable, *(str(argument) for argument in arguments)]


def run_driver_tests(device: str, xclbin: Path, variables: Mapping[str, str]) -> str:
    """What pytest prints at the end of the driver's tests on a device."""
    tests = [ROOT / "tests" / "sw" / "driver" / name for name in DRIVER_TESTS]
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", ROOT)
    chosen = {"TWOFOLD_DEVICE": device, "TWOFOLD_XCLBIN": str(xclbin)}
    command = python("-m", "pytest", *options, *tests)
    done = run(command, {**variables, **chosen}, seconds=SECONDS, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("runtime", ("xrt", pytest.param("pynq", marks=WITH_PYNQ)))
def test_the_driver_on_an_emulated_card(runtime, emulated):
    with emulation() as variables:
        out = run_driver_tests(f"{runtime}:0", emulated, variables)
    assert " passed" in out
    assert "failed" not in out
    assert "skipped" not in out


def test_a_card_lost_in_mid_run(emulated, tmp_path):
    """The emulation ends a host whose device has gone, which would wait for it for ever."""
    with emulation() as variables:
        done = run(python("-c", LOST, emulated), variables, seconds=60, cwd=tmp_path)
    assert "killed" in done.stdout, done.stderr
    assert "done" not in done.stdout
    assert done.returncode < 0
    assert "the device process ended with status 137; ending its host" in done.stderr


@pytest.mark.parametrize("runtime", ("xrt", pytest.param("pynq", marks=WITH_PYNQ)))
def test_no_such_card(runtime, emulated, tmp_path):
    command = python("-c", NO_SUCH_CARD, runtime, emulated)
    with emulation() as variables:
        done = run(command, variables, seconds=60, cwd=tmp_path)
    finder = "XRT" if runtime == "xrt" else "PYNQ"
    expected = f"no card 7, {finder} finds 1; `twofold devices` lists what there is"
    assert expected in done.stdout.splitlines(), done.stderr


def test_errors_quote_the_runtime(emulated, tmp_path):
    """And the card is free again after one."""
    command = python("-c", NO_SUCH_UNIT, emulated)
    with emulation() as variables:
        done = run(command, variables, seconds=60, cwd=tmp_path)
    said = "twofold_9 cannot be opened; is another process using the card? (XRT: No compute units"
    assert any(line.startswith(said) for line in done.stdout.splitlines()), done.stdout
    assert "twofold_1 twofold_2" in done.stdout


@pytest.mark.parametrize("command", ("check", "time"))
def test_commands(command, emulated, tmp_path):
    """On the emulated card, against the processor."""
    program = f"""
import argparse
from twofold.sw.cli.verbs import {command}
parser = argparse.ArgumentParser()
{command}.add_arguments(parser)
raise SystemExit({command}.run(parser.parse_args()))
"""
    options = ("--net", "tiny", "--device", "auto", "--xclbin", emulated)
    few = ("--samples", "100") if command == "check" else ("--batch", "200", "--repeats", "2")
    with emulation() as variables:
        arguments = python("-c", program, *options, *few)
        done = run(arguments, variables, seconds=SECONDS, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = "0 of 100 samples differ" if command == "check" else "power           not reported"
    assert expected in done.stdout
    assert "emulation through XRT" in done.stdout


@pytest.mark.card
def test_the_driver_on_a_card():
    """Needs a bitstream of tiny-fast, folding small, in ``TWOFOLD_XCLBIN``."""
    xclbin = os.environ.get("TWOFOLD_XCLBIN")
    if xclbin is None or not any(card.ready for card in cards()):
        pytest.skip("no card, or no bitstream in TWOFOLD_XCLBIN")
    assert " passed" in run_driver_tests("xrt:0", Path(xclbin), {})
