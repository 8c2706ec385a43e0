"""What an engine is asked to run, and how it answers that it will not."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Job:
    """A network in one configuration.

    Parameters
    ----------
    network: ``dense``, ``pruned`` or ``sparse-sparse``.
    precision: ``fp32`` or ``int8``.
    batch: samples a call.
    threads: threads an engine may use.
    model: ONNX file of `twofold.sw.bench.models`.
    operators: the same as integer operators, of `twofold.sw.bench.operators`; only for ``int8``
        without winners.
    artefact: the quantized network itself.
    cache: folder where an engine may keep what is slow to make.
    tuning: trials that an engine which tunes itself may make.
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

    @property
    def winners(self) -> bool:
        """Whether the network selects winners."""
        return self.network == "sparse-sparse"

    def to_json(self) -> dict[str, str | int]:
        """Plain values; `from_json` reads them."""
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(self).items()
        }

    @staticmethod
    def from_json(tree: dict[str, str | int]) -> "Job":
        """The job that `to_json` wrote."""
        kinds: dict[str, Any] = {"batch": int, "threads": int, "tuning": int}
        for name in ("model", "operators", "artefact", "cache"):
            kinds[name] = Path
        return Job(**{name: kinds.get(name, str)(value) for name, value in tree.items()})


class RefusedError(Exception):
    """An engine cannot run a job, or would run it as something else; says why."""


class Run(Protocol):
    """A job, loaded: logits float or int ``[batch, classes]`` of inputs ``[batch, ...]``."""

    def __call__(self, inputs: np.ndarray) -> np.ndarray: ...


class Engine(Protocol):
    """A way to run networks; lives in a process of its own.

    Attributes
    ----------
    version: of the package.
    """

    version: str

    def load(self, job: Job) -> Run:
        """Prepare a job. Raises RefusedError."""
        ...
