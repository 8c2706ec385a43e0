"""Runs samples through PYNQ and XRT's C API on an emulated card, against the golden model."""

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.hw.boards import find
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import read_json, writing
from twofold.hw.contract.machine import Machine
from twofold.hw.contract.progress import Report, silent
from twofold.sim.emulation.bitstream import Target, write_bitstream
from twofold.sim.emulation.environment import emulation, run
from twofold.sim.emulation.host import COUNTERS, INPUTS, MACHINE, RESULTS, HostTask
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.golden.model import forward
from twofold.sw.xrt.library import RUNTIMES

HOST = "twofold.sim.emulation.host"


@dataclass(frozen=True)
class Outcome:
    """Result of a run on one back-end.

    Attributes
    ----------
    backend: ``pynq``, or ``xrt`` for the C interface.
    samples: number of samples sent.
    mismatches: number of samples whose logits or label differ from the golden model.
    seconds: host time from its first sample to the last result.
    whole_seconds: time of the whole host process, including loading bitstream and network.
    counters: registers by unit and name, read after the samples.
    """

    backend: str
    samples: int
    mismatches: int
    seconds: float
    whole_seconds: float
    counters: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Emulation:
    """A finished emulation.

    Attributes
    ----------
    figures: facts about the machine, as plain JSON values.
    outcomes: result of each back-end.
    """

    figures: Mapping[str, Any]
    outcomes: Sequence[Outcome]

    @property
    def passed(self) -> bool:
        """Whether every sample matches the golden model on every back-end."""
        return bool(self.outcomes) and not any(one.mismatches for one in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        backends = [asdict(one) for one in self.outcomes]
        return {**self.figures, "passed": self.passed, "backends": backends}


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to emulate.

    Parameters
    ----------
    network: path of a quantized network.
    machine: machine that computes it.
    inputs: uint8 ``[samples, channels, height, width]``.
    units: number of compute units.
    backends: names from `twofold.sw.xrt.library.RUNTIMES`.
    seconds: timeout of a host process.
    """

    network: Path
    machine: Machine
    inputs: NDArray[np.uint8]
    units: int = 1
    backends: Sequence[str] = RUNTIMES
    seconds: float = 600.0


def emulate(task: Task, bitstreams: Path, build: Path, report: Report = silent) -> Emulation:
    """Build the bitstream and run the samples, on one back-end after another.

    Raises FoldingError, ToolError, and the errors of the network file.
    """
    quantized = QuantizedNetwork.load(task.network)
    task.machine.check_network(quantized.network)
    golden = forward(quantized, task.inputs, keep_activations=False)
    bitstream = write_bitstream(Target(task.machine, task.units), bitstreams, build, report)
    outcomes = []
    for done, backend in enumerate(task.backends):
        report("emulate", done, len(task.backends))
        found, seconds = _send(task, backend, bitstream)
        wrong = (found["logits"] != golden.logits).any(axis=1)
        if golden.labels is not None:
            wrong |= found["labels"] != golden.labels
        outcomes.append(
            Outcome(
                backend=backend,
                samples=len(task.inputs),
                mismatches=int(wrong.sum()),
                seconds=round(found["seconds"], 3),
                whole_seconds=round(seconds, 3),
                counters=found["counters"],
            )
        )
    report("emulate", len(task.backends), len(task.backends))
    return Emulation(
        {
            "network": quantized.network.name,
            "machine": task.machine.name,
            "fingerprint": task.machine.fingerprint.hex(),
            "units": task.units,
            "board": task.machine.board,
            "bitstream": str(bitstream),
        },
        outcomes,
    )


def _send(task: Task, backend: str, bitstream: Path) -> tuple[dict[str, Any], float]:
    """Results of a host process, and how many seconds it took."""
    with (
        tempfile.TemporaryDirectory(prefix="twofold-host-") as scratch,
        emulation(board=find(task.machine.board)) as variables,
    ):
        directory = Path(scratch)
        with writing(directory / INPUTS) as file:
            np.save(file, task.inputs, allow_pickle=False)
        task.machine.save(directory / MACHINE)
        host_task = HostTask(
            backend=backend,
            bitstream=str(bitstream.absolute()),
            network=str(task.network.absolute()),
            machine=str(directory / MACHINE),
            directory=scratch,
        )
        begun = time.perf_counter()
        done = run(
            [sys.executable, "-m", HOST, host_task.to_json()],
            variables,
            seconds=task.seconds,
            cwd=directory,
        )
        seconds = time.perf_counter() - begun
        if done.returncode:
            raise ToolError(
                f"host on {backend} ended with {done.returncode}: {_reason(done.stderr)}"
            )
        found = read_json(directory / COUNTERS)
        with np.load(directory / RESULTS, allow_pickle=False) as results:
            return found | {name: results[name] for name in results.files}, seconds


def _reason(text: str) -> str:
    """The last line that is ours, or else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no output"]
    return next((line for line in reversed(lines) if line.startswith("twofold")), lines[-1])
