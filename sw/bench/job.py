"""What an engine is asked to run, and how it refuses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class Job:
    """A network in one configuration.

    Parameters
    ----------
    network: name of the network.
    precision: ``fp32`` or ``int8``; on a GPU also one of `twofold.sw.bench.gpu.half`.
    batch: samples per call.
    threads: number of threads the engine may use.
    model: ONNX file from `twofold.sw.bench.models`.
    operators: the same network in integer operators, from `twofold.sw.bench.operators`; only for
        ``int8`` without winners.
    artefact: the quantized network itself.
    cache: folder where an engine may cache what is slow to make.
    tuning: trials that a self-tuning engine may make.
    winners: whether the network selects winners.
    """

    network: str
    precision: str
    batch: int
    threads: int
    model: Path
    operators: Path
    artefact: Path
    cache: Path
    tuning: int = 0
    winners: bool = False

    def to_json(self) -> dict[str, str | int]:
        """Plain JSON values for `from_json`."""
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(self).items()
        }

    @staticmethod
    def from_json(tree: dict[str, str | int]) -> "Job":
        """The job that `to_json` wrote."""
        kinds: dict[str, Any] = {"batch": int, "threads": int, "tuning": int, "winners": bool}
        for name in ("model", "operators", "artefact", "cache"):
            kinds[name] = Path
        return Job(**{name: kinds.get(name, str)(value) for name, value in tree.items()})


class RefusedError(Exception):
    """An engine cannot run a job, or would run it as something else; the message says why."""


class Run(Protocol):
    """A loaded job: maps inputs ``[batch, ...]`` to logits, float or int ``[batch, classes]``."""

    def __call__(self, inputs: np.ndarray) -> np.ndarray: ...


@runtime_checkable
class Placing(Protocol):
    """A `Run` on a device of its own, which says where the inputs that are timed are to lie."""

    def placed(self, inputs: np.ndarray) -> np.ndarray:
        """A copy of ``inputs`` in memory that the device reads without further copies."""
        ...


class Engine(Protocol):
    """An inference engine; runs in a process of its own.

    Attributes
    ----------
    version: of the package.
    device: only of an engine on a GPU: the GPU's name.
    """

    version: str

    def load(self, job: Job) -> Run:
        """Prepare a job. Raises RefusedError."""
        ...
