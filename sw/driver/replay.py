"""A device's own speed, past the line to it: samples that it keeps, computed many times."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from twofold.sw.driver.accelerator import Accelerator
from twofold.sw.driver.measure import samples_to_send

SAMPLES = 2000
"""Samples of a measurement, whose cycles are counted: more would be no more exact."""


@dataclass(frozen=True)
class Replay:
    """What rounds of stored samples took on the device itself.

    Attributes
    ----------
    samples: that were computed.
    cycles: from the first input to the last result.
    clock_hz: clock of the machine.
    """

    samples: int
    cycles: int
    clock_hz: int

    @property
    def samples_per_second(self) -> float:
        """Throughput of the device."""
        return self.samples * self.clock_hz / self.cycles


@runtime_checkable
class Replays(Protocol):
    """A unit whose device keeps samples, and counts the cycles of many rounds over them."""

    @property
    def kept(self) -> int:
        """How many samples it keeps; 0 if it cannot repeat them."""
        ...

    def replay(self, inputs: NDArray[np.uint8], rounds: int) -> Replay:
        """Store samples, uint8 ``[samples, channels, height, width]``, at most `kept`, and run them
        ``rounds`` times. Raises what the device raises.
        """
        ...


def replayed(accelerator: Accelerator, samples: NDArray[np.uint8] | None = None) -> Replay | None:
    """Rounds over stored samples on the first unit; None if its device keeps none.

    ``samples``: as in `twofold.sw.driver.measure.samples_to_send`. The accelerator has a network
    loaded and does nothing else.
    """
    unit = accelerator.devices[0].units[0]
    if not isinstance(unit, Replays) or not unit.kept:
        return None
    count = min(unit.kept, SAMPLES)
    inputs = samples_to_send(accelerator, count, 3, samples)
    return unit.replay(inputs, -(-SAMPLES // count))
