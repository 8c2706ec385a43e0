"""CPU time of the driver itself: ``python -m twofold.sw.driver.overhead``.

Samples go through the driver to a device whose transfers and runs take no time, so that only the
driver is measured: splitting, queueing, waking threads, copying. The figure is CPU time of all
threads per sample. All units of a card together take some tens of nanoseconds per sample, and the
driver has to stay well below that.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from twofold.hw.boards import default
from twofold.hw.contract.errors import MachineError, TwofoldError
from twofold.hw.contract.machine import Machine
from twofold.hw.contract.network import Network
from twofold.hw.contract.regs import KERNEL_VERSION, Register, Status, sample_bytes
from twofold.hw.contract.results import result_row
from twofold.hw.contract.shipped import machines_for
from twofold.sw import ranges
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.driver.accelerator import Accelerator
from twofold.sw.driver.device import Arguments
from twofold.sw.driver.software import MemoryBuffer

BATCH = 65_536
REPEATS = 25


class IdleLaunch:
    """A run that ends at once."""

    def start(self, _samples: int, _stride: int = 0) -> None:
        """Do nothing."""

    def wait(self, _seconds: float) -> bool:
        """Always True: the run has ended."""
        return True

    def free(self) -> None:
        """Do nothing: there is nothing to free."""


class IdleUnit:
    """A unit that never touches its memory."""

    def __init__(self, name: str, machine: Machine) -> None:
        self.name = name
        network = machine.network
        self._registers = {
            "version": KERNEL_VERSION,
            "status": Status.OK,
            "geometry": sample_bytes(network),
            "outputs": result_row(network).register,
            "fingerprint": int.from_bytes(machine.fingerprint, "little"),
        }

    @property
    def counted(self) -> frozenset[str]:
        """Empty: nothing is counted."""
        return frozenset()

    def allocate(self, size: int) -> MemoryBuffer:
        """Allocate host memory only."""
        return MemoryBuffer(size, shared=True)

    def prepare(self, _arguments: Arguments) -> IdleLaunch:
        """Make a run that ends at once."""
        return IdleLaunch()

    def read(self, one: Register) -> int:
        """Value of a register."""
        return int(self._registers.get(one.name, 0))


class IdleDevice:
    """A device that takes no time."""

    name, timeout, address = "idle", 1.0, None

    def __init__(self, machine: Machine, units: int) -> None:
        self.units = tuple(IdleUnit(f"idle_{number}", machine) for number in range(units))

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Cost:
    """CPU time of the driver, in nanoseconds per sample.

    Attributes
    ----------
    batch: samples per call.
    in_place: for samples that the caller wrote into the card's buffers.
    copied: for samples in the caller's own array.
    copy: for copying such an array with a single ``memcpy``, as a baseline.
    """

    batch: int
    in_place: float
    copied: float
    copy: float


def measure(
    quantized: QuantizedNetwork, machine: Machine, batch: int, *, units: int, repeats: int
) -> Cost:
    """Medians over repeats; the three kinds are interleaved, so that noise affects all of them."""
    shape = (batch, *quantized.network.input_shape)
    inputs = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    aside = np.zeros_like(inputs)
    with Accelerator(IdleDevice(machine, units)) as accelerator:
        accelerator.load(quantized, machine.folding)
        with accelerator.buffer(batch) as samples:
            samples.write(inputs[:, 0])
            kinds = (
                lambda: accelerator.infer(samples),
                lambda: accelerator.infer(inputs),
                lambda: np.copyto(aside, inputs),
            )
            times = np.array([[_time(kind) for kind in kinds] for _ in range(repeats + 1)])
    in_place, copied, copy = (float(one) for one in np.median(times[1:], axis=0) / batch * 1e9)
    return Cost(batch, round(in_place, 2), round(copied, 2), round(copy, 2))


def _machine(network: Network, file: str | None) -> Machine:
    """The machine in the file if given, else a shipped one that computes the network."""
    shipped = machines_for(network)
    if file is None and not shipped:
        raise MachineError(f"no machine is shipped for {network.name}: give --machine FILE")
    machine = shipped[-1] if file is None else Machine.load(file)
    machine.check_network(network)
    return machine


def _time(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m twofold.sw.driver.overhead", description=__doc__
    )
    parser.add_argument("--network", required=True, help="quantized network (.npz)")
    parser.add_argument("--machine", help="machine file (default: a shipped one)")
    parser.add_argument(
        "--batch", type=ranges.SAMPLES, default=BATCH, help="samples a call (%(default)s)"
    )
    parser.add_argument(
        "--units", type=ranges.UNITS, default=default().units, help="compute units (%(default)s)"
    )
    parser.add_argument(
        "--repeats", type=ranges.REPEATS, default=REPEATS, help="of each kind (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    try:
        quantized = QuantizedNetwork.load(args.network)
        machine = _machine(quantized.network, args.machine)
        cost = measure(quantized, machine, args.batch, units=args.units, repeats=args.repeats)
    except TwofoldError as error:
        print(f"overhead: {error}", file=sys.stderr)
        return error.exit_code
    if args.json:
        print(json.dumps(asdict(cost)))
    else:
        print(
            f"batch {cost.batch}: {cost.in_place} ns a sample in place, {cost.copied} ns copied "
            f"(a plain copy: {cost.copy} ns)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
