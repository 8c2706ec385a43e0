"""A host program on PYNQ, run as a process of its own; see `c_host` for its arguments."""

import importlib
import sys
from pathlib import Path

import numpy as np

from twofold.hw.boards import default

pynq = importlib.import_module("pynq")
xrt = importlib.import_module("pynq._3rdparty.xrt")


def main(bitstream: str, job: Path, unit: str, runs: int) -> None:
    device = pynq.Device.active_device
    xrt.xclExecWait(device.handle, 0)
    overlay = pynq.Overlay(bitstream)
    kernel = getattr(overlay, unit)
    bank = default().bank(int(unit[-1]) - 1)
    memory = getattr(overlay, f"DDR{bank}")

    def buffer(content: bytes):
        made = pynq.allocate(-(-len(content) // 4096) * 4096, "u1", target=memory)
        made[: len(content)] = np.frombuffer(content, np.uint8)
        made.sync_to_device()
        return made

    def call(operation: int, samples: int) -> None:
        waiter = kernel.start_ert(operation, image, len(first), source, target, samples, 0, 0)
        while not waiter.done:
            device._handle_events(10)

    first, second, wanted = ((job / name).read_bytes() for name in ("image", "samples", "results"))
    image, source, target = buffer(first), buffer(second), buffer(b"\xa5" * len(wanted))
    call(0, 0)
    for _ in range(runs):
        call(1, len(wanted) // 64)
    target.sync_from_device()
    found = bytes(target[: len(wanted)])
    wrong = sum(found[at : at + 64] != wanted[at : at + 64] for at in range(0, len(wanted), 64))
    print(f"bank {bank} runs {kernel.read(0xB0)} wrong {wrong}", flush=True)
    for one in (image, source, target):
        one.freebuffer()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[5]))
