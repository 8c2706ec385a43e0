"""The kernel test bench's task and its measurements: files shared by two processes."""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from twofold.hw.contract.files import read_json, write_bytes, write_json
from twofold.sim.testbenches.job import JobFolder

BENCH = "twofold.sim.testbenches.kernel_bench"
TESTS = ("speed", "random_waits", "queue", "refusals", "counters", "reset_in_a_run")
VARIABLE = "TWOFOLD_KERNEL_JOB"
"""Environment variable that tells the test bench its directory."""


@dataclass(frozen=True)
class Measured:
    """Counters of one run, and what the bench measured on the bus.

    Attributes
    ----------
    samples: number of samples in the run.
    cycles, latency, input_stalls, output_stalls: values of the registers with these names.
    bus_latency: for a single sample, cycles from its first read data beat to its result on the bus.
    interval: cycles that each additional sample adds to a run of one.
    window_interval: the same for windows that overlap.
    window_bytes: bytes that the kernel reads for each of them.
    """

    samples: int
    cycles: int
    latency: int
    input_stalls: int
    output_stalls: int
    bus_latency: int
    interval: float
    window_interval: float
    window_bytes: float


@dataclass(frozen=True)
class KernelJob(JobFolder):
    """An image, samples and their expected results, which follow from these two alone."""

    @staticmethod
    def create(
        directory: Path,
        *,
        image: bytes,
        samples: bytes,
        results: bytes,
        windows: bytes,
        stride: int,
        counts: dict[str, list[int]],
        count: int,
        seed: int = 1,
    ) -> "KernelJob":
        """Write the inputs: a valid image, ``count`` samples as stored in memory, their results,
        and what all of them together add to the counters, by register and layer; the results of
        ``windows`` that start ``stride`` bytes apart in the same memory.
        """
        contents = {"image": image, "samples": samples, "results": results, "windows": windows}
        for name, content in contents.items():
            write_bytes(directory / name, content)
        tree = {"seed": seed, "count": count, "counts": counts, "window_stride": stride}
        write_json(directory / "job.json", tree)
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

    @cached_property
    def windows(self) -> bytes:
        """Expected results of the windows."""
        return (self.directory / "windows").read_bytes()

    @property
    def window_stride(self) -> int:
        """Bytes from one window's first byte to the next one's."""
        return self._tree["window_stride"]

    @property
    def count(self) -> int:
        """Number of samples."""
        return self._tree["count"]

    @property
    def row(self) -> int:
        """Bytes per result in memory."""
        return len(self.results) // self.count

    @property
    def stride(self) -> int:
        """Bytes per sample in memory."""
        return len(self.samples) // self.count

    @property
    def counts(self) -> dict[str, list[int]]:
        """What all samples together add to the counters, by register and layer."""
        return self._tree["counts"]

    def write(self, name: str, measured: Measured) -> None:
        """Write what a test measured."""
        write_json(self.directory / f"{name}.json", asdict(measured))

    def read(self, name: str) -> Measured:
        """Read what a test measured."""
        return Measured(**read_json(self.directory / f"{name}.json"))
