"""Requests of many clients in common runs of one accelerator.

A run takes what has arrived while the one before it was computed; so batches are as large as the
load makes them, and a single request never waits for others. Nothing is dropped once accepted: a
request is refused at the door when too much is waiting.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import TwofoldError
from twofold.sw.driver.computes import Computes
from twofold.sw.errors import DeviceError
from twofold.sw.serve.model import AHEAD

RUN = 4096
"""Samples of a run at most, unless a single request has more."""
WAITING = 32_768
"""Samples that wait at most."""


class BusyError(DeviceError):
    """Too much is waiting; the client may try again later."""


@dataclass(frozen=True, eq=False)
class _Wanted:
    inputs: NDArray[np.uint8]
    logits: "asyncio.Future[NDArray[np.int32]]"


class Batcher:
    """Batches requests for one accelerator; all methods belong to one event loop.

    Parameters
    ----------
    accelerator: with a network loaded.
    waiting: samples that may wait.
    ahead: runs under way at the same time.
    """

    def __init__(self, accelerator: Computes, waiting: int = WAITING, ahead: int = AHEAD) -> None:
        self._accelerator, self._most, self._ahead = accelerator, waiting, ahead
        self._threads = ThreadPoolExecutor(ahead, thread_name_prefix="results")
        self._queue: deque[_Wanted] = deque()
        self._runs: set[asyncio.Task[None]] = set()
        self._open = True
        self.waiting = 0
        self.runs = self.samples = 0

    async def infer(self, inputs: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Logits int32 [n, outputs] of inputs uint8 [n, channels, height, width].

        Raises BusyError when too much is waiting or the server is stopping, and what the device
        raises.
        """
        if not self._open:
            raise BusyError("the server is stopping")
        if self.waiting and self.waiting + len(inputs) > self._most:
            raise BusyError(f"{self.waiting} samples are waiting; try again later")
        wanted = _Wanted(inputs, asyncio.get_running_loop().create_future())
        self._queue.append(wanted)
        self.waiting += len(inputs)
        self._go_on()
        return await wanted.logits

    async def close(self) -> None:
        """Accept nothing more, and answer what was accepted."""
        self._open = False
        while self._runs:
            await asyncio.wait(self._runs)
        self._threads.shutdown()

    def _go_on(self) -> None:
        """Start a run if there is something to compute and room for it."""
        while self._queue and len(self._runs) < self._ahead:
            batch = [self._queue.popleft()]
            size = len(batch[0].inputs)
            while self._queue and size + len(self._queue[0].inputs) <= RUN:
                batch.append(self._queue.popleft())
                size += len(batch[-1].inputs)
            task = asyncio.create_task(self._run(batch, size))
            self._runs.add(task)
            task.add_done_callback(self._ended)

    async def _run(self, batch: list[_Wanted], size: int) -> None:
        try:
            inputs = np.concatenate([wanted.inputs for wanted in batch])
            ticket = self._accelerator.submit(inputs)
            loop = asyncio.get_running_loop()
            logits, _ = await loop.run_in_executor(self._threads, self._accelerator.result, ticket)
        except Exception as reason:
            error = reason if isinstance(reason, TwofoldError) else DeviceError(str(reason))
            for wanted in batch:
                if not wanted.logits.done():
                    wanted.logits.set_exception(error)
        else:
            at = 0
            for wanted in batch:
                if not wanted.logits.done():  # the client may be gone
                    wanted.logits.set_result(logits[at : at + len(wanted.inputs)])
                at += len(wanted.inputs)
        finally:
            self.waiting -= size
            self.runs += 1
            self.samples += size

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._runs.discard(task)
        self._go_on()
