"""A test bench's task and its findings: files shared by two processes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.files import read_json, write_json, writing
from twofold.hw.contract.folding import Folding, folding_from_json
from twofold.sw.artefacts import QuantizedNetwork

VARIABLE = "TWOFOLD_JOB"
"""Environment variable with the directory of the test bench's job."""


@dataclass(frozen=True)
class JobFolder:
    """Files shared by a test bench and the process that runs it.

    Parameters
    ----------
    directory: folder of the files.
    """

    directory: Path

    @property
    def seed(self) -> int:
        """Seed for all randomness."""
        return self._tree["seed"]

    @cached_property
    def _tree(self) -> dict:
        return read_json(self.directory / "job.json")


@dataclass(frozen=True)
class Job(JobFolder):
    """Inputs of a test bench run, and later its results."""

    @staticmethod
    def create(
        directory: Path,
        quantized: QuantizedNetwork,
        folding: Folding,
        inputs: NDArray[np.uint8],
        seed: int,
    ) -> "Job":
        """Write the inputs: a network, the folding of the machine, samples and a seed for
        stalls.
        """
        quantized.save(directory / "network.npz")
        with writing(directory / "inputs.npy") as file:
            np.save(file, inputs, allow_pickle=False)
        write_json(directory / "job.json", {"folding": folding.to_json(), "seed": seed})
        return Job(directory)

    @cached_property
    def quantized(self) -> QuantizedNetwork:
        """The quantized network."""
        return QuantizedNetwork.load(self.directory / "network.npz")

    @cached_property
    def folding(self) -> Folding:
        """The folding of the machine."""
        return folding_from_json(self._tree["folding"])

    @cached_property
    def inputs(self) -> NDArray[np.uint8]:
        """Samples, uint8 ``[samples, channels, height, width]``."""
        return np.load(self.directory / "inputs.npy", allow_pickle=False)

    @property
    def progress(self) -> Path:
        """A file that grows by one byte per result."""
        return self.directory / "progress"

    def write(self, name: str, findings: Sequence["Finding"]) -> None:
        """Write the findings of one test."""
        write_json(self.directory / f"{name}.json", [asdict(finding) for finding in findings])

    def read(self, name: str) -> list["Finding"]:
        """Findings of one test, in sample order; empty if the test did not get that far."""
        path = self.directory / f"{name}.json"
        if not path.exists():
            return []
        return [Finding(**found) for found in read_json(path)]


@dataclass(frozen=True)
class Finding:
    """What the machine computed for one sample.

    Attributes
    ----------
    label: class given by the machine; None for raw outputs.
    logits: logits given by the machine.
    started, finished: cycles in which its first beat was taken and its result was given.
    mismatches: for every layer, the number of activations (or logits) that differ from the golden
        model.
    """

    label: int | None
    logits: list[int]
    started: int
    finished: int
    mismatches: dict[str, int]
