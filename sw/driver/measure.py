"""Measurements for ``twofold check`` and ``twofold time``."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.sw.driver.accelerator import Accelerator
from twofold.sw.driver.slot import Slot
from twofold.sw.errors import DeviceTimeoutError

LAUNCHES = 200
FEWEST = 16
LIMIT = 3.0
"""Time limit in seconds for measurements of single samples."""
MEGABYTE = 1e6


@dataclass(frozen=True)
class Spread:
    """Median and quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | NDArray[np.float64]) -> "Spread":
        """Median and quartiles of measurements."""
        low, median, high = np.percentile(values, (25, 50, 75))
        return cls(float(median), float(low), float(high))


def seconds(work: Callable[[], object], repeats: int, limit: float = np.inf) -> NDArray[np.float64]:
    """Seconds of every repeat, after one warm-up; stops early once they add up to ``limit``
    seconds.
    """
    work()
    times: list[float] = []
    while len(times) < repeats and (not times or sum(times) < limit):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return np.array(times)


def transfer_rates(accelerator: Accelerator, size: int, repeats: int) -> dict[str, Spread]:
    """MB/s to and from the first unit of the first card, in transfers of ``size`` bytes."""
    memory = accelerator.devices[0].units[0].allocate(size)
    try:
        both = {"to_card": memory.to_card, "to_host": memory.to_host}
        return {
            name: Spread.of(size / MEGABYTE / seconds(lambda move=move: move(size), repeats))
            for name, move in both.items()
        }
    finally:
        memory.free()


class KernelTimer:
    """Runs on the first unit without transfers: the samples stay on the card.

    ``samples``, uint8 [n, channels, height, width], are repeated to fill the buffer; a pattern if
    None.
    """

    def __init__(
        self, accelerator: Accelerator, count: int, samples: NDArray[np.uint8] | None = None
    ) -> None:
        unit = accelerator.devices[0].units[0]
        self._slot = Slot(unit, accelerator.machine, count)
        self._timeout = accelerator.devices[0].timeout
        self._slot.inputs[:] = np.arange(self._slot.inputs.shape[1]) % 251
        if samples is not None:
            sent = samples_to_send(accelerator, count, 0, samples).reshape(count, -1)
            self._slot.inputs[:, : sent.shape[1]] = sent
        self._slot.send(count)

    def run(self, samples: int) -> None:
        """Do one run. Raises DeviceTimeoutError."""
        self._slot.run.start(samples)
        if not self._slot.run.wait(self._timeout):
            raise DeviceTimeoutError(f"a run of {samples} samples did not end; reset the card")

    def close(self) -> None:
        """Free the memory."""
        self._slot.run.free()


def launch_seconds(accelerator: Accelerator, repeats: int = LAUNCHES) -> Spread:
    """Seconds of a run of one sample, from its start until the host sees that it has ended."""
    timer = KernelTimer(accelerator, 1)
    try:
        return Spread.of(seconds(lambda: timer.run(1), repeats, LIMIT))
    finally:
        timer.close()


def fitting_samples(accelerator: Accelerator, most: int, target: float) -> int:
    """How many samples take about ``target`` seconds, between `FEWEST` and ``most``; estimated from
    a short run.
    """
    inputs = np.zeros((FEWEST, *accelerator.sample_shape), np.uint8)
    (taken,) = seconds(lambda: accelerator.infer(inputs), 1)
    return int(min(max(FEWEST * target / taken, FEWEST), most))


def random_samples(accelerator: Accelerator, samples: int, seed: int) -> NDArray[np.uint8]:
    """Random samples, reproducible for a seed."""
    shape = (samples, *accelerator.sample_shape)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def samples_to_send(
    accelerator: Accelerator, count: int, seed: int, samples: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """``count`` samples: ``samples`` repeated as needed, or random ones if None.

    ``samples`` are uint8 [n, channels, height, width] with n > 0.
    """
    if samples is None:
        return random_samples(accelerator, count, seed)
    flat = samples[np.arange(count) % len(samples)]
    return flat.reshape(count, *accelerator.sample_shape)
