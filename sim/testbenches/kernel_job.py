"""What the kernel's test bench is asked to do and what it measured: files between processes."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from twofold.hw.verilog.cache import write_atomically

BENCH = "twofold.sim.testbenches.kernel_bench"
TESTS = ("speed", "moods", "queue", "refusals", "counters", "reset_in_a_run")
VARIABLE = "TWOFOLD_KERNEL_JOB"
"""Environment variable through which the test bench is told its directory."""


@dataclass(frozen=True)
class Measured:
    """Counters of one run, and what the bench saw on the bus.

    Attributes
    ----------
    samples: samples of the run.
    cycles, latency, input_stalls, output_stalls: the registers of these names.
    bus_latency: of a single sample, cycles from its first read data beat to its result on the bus.
    interval: cycles that each further sample adds to a run of one.
    """

    samples: int
    cycles: int
    latency: int
    input_stalls: int
    output_stalls: int
    bus_latency: int
    interval: float


@dataclass(frozen=True)
class KernelJob:
    """A directory with an image, samples and the results that they must give.

    Results are a function of the sample and the image alone.

    Parameters
    ----------
    directory: where everything lies.
    """

    directory: Path

    @staticmethod
    def create(
        directory: Path,
        *,
        image: bytes,
        samples: bytes,
        results: bytes,
        counts: dict[str, list[int]],
        count: int,
        seed: int = 1,
    ) -> "KernelJob":
        """Write the inputs: a good image, ``count`` samples as they lie in memory, their results,
        and what all of them together add to counters, by register and layer.
        """
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in (("image", image), ("samples", samples), ("results", results)):
            (directory / name).write_bytes(content)
        tree = {"seed": seed, "count": count, "counts": counts}
        write_atomically(directory / "job.json", json.dumps(tree))
        return KernelJob(directory)

    @cached_property
    def image(self) -> bytes:
        """The parameter image."""
        return (self.directory / "image").read_bytes()

    @cached_property
    def samples(self) -> bytes:
        """Input samples, padded."""
        return (self.directory / "samples").read_bytes()

    @cached_property
    def results(self) -> bytes:
        """Expected results, ``row`` bytes each."""
        return (self.directory / "results").read_bytes()

    @property
    def count(self) -> int:
        """Number of samples."""
        return self._tree["count"]

    @property
    def row(self) -> int:
        """Bytes of a result in memory."""
        return len(self.results) // self.count

    @property
    def stride(self) -> int:
        """Bytes of a sample in memory."""
        return len(self.samples) // self.count

    @property
    def seed(self) -> int:
        """Seed of everything random."""
        return self._tree["seed"]

    @property
    def counts(self) -> dict[str, list[int]]:
        """What all samples together add to counters, by register and layer."""
        return self._tree["counts"]

    @cached_property
    def _tree(self) -> dict:
        return json.loads((self.directory / "job.json").read_text(encoding="utf-8"))

    def write(self, name: str, measured: Measured) -> None:
        """Keep what a test measured."""
        write_atomically(self.directory / f"{name}.json", json.dumps(asdict(measured)))

    def read(self, name: str) -> Measured:
        """What a test measured."""
        text = (self.directory / f"{name}.json").read_text(encoding="utf-8")
        return Measured(**json.loads(text))
