"""A machine on a board as an engine of a device: images, runs, counters, and replays."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.link import (
    MAGIC,
    VERSION,
    WORD_BYTES,
    Command,
    Space,
    State,
    Word,
    bytes_of,
    result_words,
    sample_words,
    words_of,
)
from twofold.hw.contract.network import Network
from twofold.hw.contract.parameters import FINGERPRINT_BYTES, ParameterStatus
from twofold.hw.contract.regs import COUNTER_BITS, COUNTERS
from twofold.hw.contract.results import result_row
from twofold.sw.driver.replay import Replay
from twofold.sw.driver.software import Classified
from twofold.sw.errors import DeviceTimeoutError, WrongPlatformError
from twofold.sw.link.line import Line

RUN_SECONDS = 60.0
"""How long a run of stored samples may take beyond what its cycles take."""
ROUNDS_MAX = (1 << 32) - 1


class BoardEngine:
    """The machine at the end of a line, as a `twofold.sw.driver.software.Engine`.

    Parameters
    ----------
    line: to the board; closed with the engine.
    network, folding: what the machine has to be.

    Raises WrongPlatformError if the board holds something else.
    """

    def __init__(self, line: Line, network: Network, folding: Folding) -> None:
        self._line, self._network, self._row = line, network, result_row(network)
        self._input_bytes = folding.input_bytes
        words = line.read(Space.CONTROL, 0, Word.CLOCK_HZ + 1)
        if words[Word.MAGIC] != MAGIC or words[Word.VERSION] != VERSION:
            raise WrongPlatformError(
                f"{line.name} holds no machine of this release; load a bitstream of "
                "`twofold bitstream`"
            )
        held = bytes_of(
            words[Word.FINGERPRINT : Word.FINGERPRINT + FINGERPRINT_BYTES // WORD_BYTES]
        )
        wanted = fingerprint(network, folding)
        if held != wanted:
            raise WrongPlatformError(
                f"{line.name} holds machine {held.hex()[:12]}, not {wanted.hex()[:12]} of "
                f"{network.name}; give its machine, or load the bitstream of this one"
            )
        self.capacity, self.clock_hz = words[Word.CAPACITY], words[Word.CLOCK_HZ]
        self._number = words_number(time.time_ns())

    def close(self) -> None:
        """Close the line."""
        self._line.close()

    def load(self, image: bytes) -> ParameterStatus:
        """Reset the machine and send it an image; returns its verdict."""
        line, words = self._line, words_of(image)
        line.write(Space.CONTROL, Command.RESET, (0,))
        line.write(Space.CONTROL, Command.IMAGE, (len(words),))
        line.write(Space.IMAGE, 0, words)
        self._settle(State.LOADING, "an image", RUN_SECONDS)
        return ParameterStatus(line.read(Space.CONTROL, Word.PARAMETER_STATUS)[0])

    def run(self, inputs: NDArray[np.uint8]) -> Classified:
        """Classify samples, as many at a time as the board keeps."""
        rows: list[NDArray[np.int32]] = []
        cycles = latency = 0
        for at in range(0, len(inputs), self.capacity):
            some = inputs[at : at + self.capacity]
            self._store(some)
            took, first = self._start(len(some), 1)
            cycles, latency = cycles + took, latency or first
            rows.append(self._results(len(some)))
        found = np.concatenate(rows)
        labels = found[:, -1].astype(np.int64) if self._row.labelled else None
        counted = self._counters() | {"cycles": cycles, "latency": latency}
        return Classified(found[:, : self._row.outputs], labels, counted)

    def replay(self, inputs: NDArray[np.uint8], rounds: int) -> Replay:
        """Store samples, at most `capacity`, and run them ``rounds`` times."""
        if not 1 <= len(inputs) <= self.capacity or not 1 <= rounds <= ROUNDS_MAX:
            raise ValueError(
                f"replay: {len(inputs)} samples {rounds} times, the board keeps {self.capacity}"
            )
        self._store(inputs)
        cycles, _ = self._start(len(inputs), rounds)
        return Replay(len(inputs) * rounds, cycles, self.clock_hz)

    def _store(self, inputs: NDArray[np.uint8]) -> None:
        size = WORD_BYTES * sample_words(self._network, self._input_bytes)
        flat = np.zeros((len(inputs), size), np.uint8)
        used = inputs.reshape(len(inputs), -1)
        flat[:, : used.shape[1]] = used
        self._line.write(Space.SAMPLES, 0, words_of(flat.tobytes()))

    def _start(self, samples: int, rounds: int) -> tuple[int, int]:
        """Run what is stored; returns cycles and latency."""
        self._number = self._number % ROUNDS_MAX + 1
        self._line.write(Space.CONTROL, Command.SAMPLES, (samples, rounds, self._number))
        self._settle(State.RUNNING, f"{samples * rounds} samples", RUN_SECONDS + samples * rounds)
        low, high, first, more = self._line.read(Space.CONTROL, Word.CYCLES, 4)
        return low | high << 32, first | more << 32

    def _settle(self, state: State, what: str, seconds: float) -> None:
        """Wait until the machine has left a state."""
        end = time.monotonic() + seconds
        while self._line.read(Space.CONTROL, Word.STATE)[0] & state:
            if time.monotonic() > end:
                raise DeviceTimeoutError(
                    f"{self._line.name} has not finished {what} within {seconds:g} s"
                )

    def _results(self, samples: int) -> NDArray[np.int32]:
        """Outputs and, last, the label of every sample."""
        size = result_words(self._row)
        words = self._line.read(Space.RESULTS, 0, samples * size)
        return np.array(words, np.uint32).view(np.int32).reshape(samples, size)

    def _counters(self) -> dict[str, int]:
        count = sum(one.values for one in COUNTERS)
        words = self._line.read(Space.COUNTERS, 0, 2 * count)
        totals = [low | high << 32 for low, high in zip(words[::2], words[1::2], strict=True)]
        found: dict[str, int] = {}
        for one in COUNTERS:
            mine, totals = totals[: one.values], totals[one.values :]
            found[one.name] = joined(mine)
        return found


def joined(values: Sequence[int]) -> int:
    """Values of a register side by side, the first in the lowest bits."""
    return sum(value << COUNTER_BITS * at for at, value in enumerate(values))


def words_number(moment: int) -> int:
    """A number for the first run, other than that of an earlier process."""
    return moment // 1_000_000 % ROUNDS_MAX + 1
