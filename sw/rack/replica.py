"""What runs on a node of a cluster: one network on one card, or on what stands in for it."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.files import write_bytes
from twofold.hw.contract.folding import Folding
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.driver import Accelerator
from twofold.sw.driver.opening import DeviceRequest, open_devices, simulated
from twofold.sw.driver.ticket import Results
from twofold.sw.errors import DeviceError, DeviceLostError, NoCardError
from twofold.sw.xrt.cards import cards
from twofold.sw.xrt.library import RUNTIMES, emulated


@dataclass(frozen=True)
class Plan:
    """What a replica is made of; travels to its node.

    Attributes
    ----------
    network: content of the artefact.
    folding: of the machine.
    device: as ``--device`` takes it. A card without a number is one that no other replica has.
    xclbin, build: as in `DeviceRequest`, on the node.
    """

    network: bytes
    folding: Folding
    device: str = "auto"
    xclbin: Path | None = None
    build: Path = Path("build")


class Replica:
    """A network, ready to run. Raises what opening the device and loading the network raise."""

    def __init__(self, plan: Plan) -> None:
        self._stack = ExitStack()
        with tempfile.TemporaryDirectory(prefix="twofold-") as folder:
            file = Path(folder) / "network.npz"
            write_bytes(file, plan.network)
            network = QuantizedNetwork.load(file)
        device = self._stack.enter_context(_own_card(plan.device))
        request = DeviceRequest(
            network.network, plan.folding, xclbin=plan.xclbin, build=plan.build.absolute()
        )
        choice = open_devices(device, request)
        accelerator = self._stack.enter_context(Accelerator(*choice.devices))
        accelerator.load(network, None if device.startswith(RUNTIMES) else plan.folding)
        self.network, self.accelerator = network, accelerator
        self.about = (choice.reason, simulated(choice.devices))
        self._sample = np.zeros((1, *network.network.input_shape), np.uint8)
        self._known, _ = accelerator.infer(self._sample)

    def infer(self, inputs: NDArray[np.uint8]) -> Results:
        """Logits and labels."""
        return self.accelerator.infer(inputs)

    def check(self) -> None:
        """Raise DeviceError unless the device still computes, and computes the same."""
        logits, _ = self.accelerator.infer(self._sample)
        if not np.array_equal(logits, self._known):
            raise DeviceError("the device computes something else than it did")

    def close(self) -> None:
        """Give the device back."""
        self._stack.close()


@contextmanager
def _own_card(device: str) -> Iterator[str]:
    """``device``, with the number of a card that no other process claims, where it means cards.

    Raises NoCardError where all of them are taken.
    """
    ready = [(index, card.address) for index, card in enumerate(cards()) if card.ready]
    means_cards = device in RUNTIMES or (device == "auto" and bool(ready))
    if not means_cards or emulated():
        yield device
        return
    runtime = "xrt" if device == "auto" else device
    for index, address in ready:
        with ExitStack() as held:
            if held.enter_context(_claimed(address)):
                yield f"{runtime}:{index}"
                return
    raise NoCardError(f"none of the {len(ready)} cards of this node is free")


@contextmanager
def _claimed(address: str) -> Iterator[bool]:
    """Whether this process has got the card, for as long as the context lasts."""
    path = Path(tempfile.gettempdir()) / f"twofold-card-{address.replace('/', '_')}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)


def lost(error: BaseException | None) -> bool:
    """Whether another replica may do better."""
    return isinstance(error, DeviceLostError | NoCardError)
