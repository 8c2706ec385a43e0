"""The winners of every layer, for those who watch: by the golden model, beside the device.

A device gives logits alone. The golden model, which is bit-identical, computes the layers again; it
takes all windows that wait in common, and no more than half of a processor, however many watch.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.golden import forward

MOST = 16
"""Windows that wait; the oldest are passed over."""


@dataclass(frozen=True, eq=False)
class Look:
    """What happened to a window.

    Attributes
    ----------
    index: of the window.
    winners: of every hidden layer, whether each activation is non-zero, in bits (the first one is
        the highest of the first byte): uint8 [ceil(channels * rows * columns / 8)].
    multiplications: done.
    logits: int32 [outputs], to be compared with the device's.
    """

    index: int
    winners: tuple[NDArray[np.uint8], ...]
    multiplications: int
    logits: NDArray[np.int32]


Show = Callable[[Look], None]


class Lens:
    """Looks at windows of one network; all methods belong to one event loop."""

    def __init__(self, network: QuantizedNetwork) -> None:
        self._network = network
        self._waiting: deque[tuple[int, NDArray[np.uint8], Show]] = deque(maxlen=MOST)
        self._task: asyncio.Task[None] | None = None

    def look(self, index: int, image: NDArray[np.uint8], show: Show) -> None:
        """Have ``show`` called with the look at a window, unless newer ones displace it."""
        self._waiting.append((index, image, show))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
            self._task.add_done_callback(self._ended)

    async def _work(self) -> None:
        while self._waiting:
            taken = list(self._waiting)
            self._waiting.clear()
            begun = time.monotonic()
            looks = await asyncio.to_thread(self._look, taken)
            for (_, _, show), look in zip(taken, looks, strict=True):
                show(look)
            await asyncio.sleep(time.monotonic() - begun)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if not task.cancelled():
            task.result()

    def _look(self, taken: list[tuple[int, NDArray[np.uint8], Show]]) -> list[Look]:
        images = np.stack([image for _, image, _ in taken])
        found = forward(self._network, images.reshape(-1, *self._network.network.input_shape))
        lit = [np.packbits(one.reshape(len(one), -1) != 0, axis=1) for one in found.activations]
        done = found.multiplications.sum(axis=1)
        return [
            Look(index, tuple(one[at] for one in lit), int(done[at]), found.logits[at])
            for at, (index, _, _) in enumerate(taken)
        ]
