"""A host for emulated cards, as a separate process: runs samples through the driver.

Takes a JSON object on the command line, see `HostTask`, and writes results next to the inputs.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twofold.hw.contract.errors import TwofoldError
from twofold.hw.contract.files import write_json, writing
from twofold.hw.contract.machine import Machine
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.driver.accelerator import Accelerator
from twofold.sw.driver.opening import DeviceRequest, open_devices

INPUTS, RESULTS, COUNTERS = "inputs.npy", "results.npz", "counters.json"
MACHINE = "host.machine.json"


@dataclass(frozen=True)
class HostTask:
    """Task of the host process.

    Attributes
    ----------
    backend: ``xrt`` or ``pynq``.
    bitstream: path of an emulation bitstream.
    network: path of a quantized network.
    machine: machine file of the machine in the bitstream.
    directory: folder of the inputs; results are written there.
    """

    backend: str
    bitstream: str
    network: str
    machine: str
    directory: str

    def to_json(self) -> str:
        """JSON text for the command line."""
        return json.dumps(asdict(self))


def main(text: str) -> int:
    """Run an task; an error is printed as one line and returned as its exit code."""
    try:
        _run(HostTask(**json.loads(text)))
    except TwofoldError as error:
        print(f"twofold: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    return 0


def _run(task: HostTask) -> None:
    directory = Path(task.directory)
    quantized = QuantizedNetwork.load(Path(task.network))
    folding = Machine.load(task.machine).folding
    inputs = np.load(directory / INPUTS, allow_pickle=False)
    request = DeviceRequest(quantized.network, folding, xclbin=Path(task.bitstream))
    opened = open_devices(f"{task.backend}:0", request)
    with Accelerator(*opened.devices) as accelerator:
        accelerator.load(quantized, folding)
        begun = time.perf_counter()
        logits, labels = accelerator.infer(inputs)
        seconds = time.perf_counter() - begun
        found: dict[str, Any] = {"seconds": seconds, "counters": accelerator.counters()}
    arrays = {"logits": logits} if labels is None else {"logits": logits, "labels": labels}
    with writing(directory / RESULTS) as file:
        np.savez(file, **arrays)
    write_json(directory / COUNTERS, found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
