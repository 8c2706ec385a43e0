"""Batching: common runs, order, and what happens when too much waits or a device fails."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from twofold.hw.contract.errors import TwofoldError
from twofold.hw.contract.shipped import machine
from twofold.sim.workloads.random_network import random_inputs
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped_file
from twofold.sw.driver import Accelerator
from twofold.sw.driver.cpu import open_cpu
from twofold.sw.errors import DeviceLostError
from twofold.sw.golden import forward
from twofold.sw.serve.batching import AHEAD, RUN, Batcher, BusyError

NETWORK = QuantizedNetwork.load(shipped_file("tiny-fast"))
INPUTS = random_inputs(NETWORK.network, 400, seed=2)
LOGITS = forward(NETWORK, INPUTS, keep_activations=False).logits


@pytest.fixture
def accelerator() -> Iterator[Accelerator]:
    folding = machine("tiny-fast-small").folding
    with Accelerator(open_cpu(NETWORK.network, folding, threads=1)) as opened:
        opened.load(NETWORK, folding)
        yield opened


def test_many_requests_share_runs_and_get_their_own(accelerator) -> None:
    async def work() -> Batcher:
        batcher = Batcher(accelerator)
        cuts = [(at, at + 1 + at % 3) for at in range(0, 390, 3)]
        found = await asyncio.gather(*(batcher.infer(INPUTS[at:to]) for at, to in cuts))
        for (at, to), logits in zip(cuts, found, strict=True):
            np.testing.assert_array_equal(logits, LOGITS[at:to])
        await batcher.close()
        assert batcher.samples == sum(to - at for at, to in cuts)
        return batcher

    batcher = asyncio.run(work())
    assert batcher.waiting == 0 and batcher.runs <= AHEAD + 1


def test_a_run_has_its_size(accelerator) -> None:
    """A request that is larger than a run is one of its own."""

    async def work() -> tuple[int, list[int]]:
        batcher = Batcher(accelerator)
        large = np.resize(INPUTS, (RUN // 2 + 1, *INPUTS.shape[1:]))
        huge = np.resize(INPUTS, (RUN + 1, *INPUTS.shape[1:]))
        found = await asyncio.gather(*(batcher.infer(one) for one in (large, large, large, huge)))
        return batcher.runs, [len(logits) for logits in found]

    assert asyncio.run(work()) == (4, [RUN // 2 + 1] * 3 + [RUN + 1])


def test_too_much_is_refused_at_the_door(accelerator) -> None:
    async def work() -> None:
        batcher = Batcher(accelerator, waiting=100)
        first = [asyncio.create_task(batcher.infer(INPUTS[:50])) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="100 samples are waiting"):
            await batcher.infer(INPUTS[:1])
        for logits in await asyncio.gather(*first):
            np.testing.assert_array_equal(logits, LOGITS[:50])
        np.testing.assert_array_equal(await batcher.infer(INPUTS[:200]), LOGITS[:200])

    asyncio.run(work())


def test_closing_answers_what_was_accepted(accelerator) -> None:
    async def work() -> None:
        batcher = Batcher(accelerator)
        asked = [asyncio.create_task(batcher.infer(INPUTS[at : at + 1])) for at in range(50)]
        await asyncio.sleep(0)
        await batcher.close()
        np.testing.assert_array_equal(np.concatenate(await asyncio.gather(*asked)), LOGITS[:50])
        with pytest.raises(BusyError, match="stopping"):
            await batcher.infer(INPUTS)

    asyncio.run(work())


def test_a_client_that_leaves_takes_nobody_along(accelerator) -> None:
    async def work() -> None:
        batcher = Batcher(accelerator)
        asked = [asyncio.create_task(batcher.infer(INPUTS[at : at + 9])) for at in (0, 9, 18)]
        await asyncio.sleep(0)
        asked[1].cancel()
        np.testing.assert_array_equal(await asked[0], LOGITS[:9])
        np.testing.assert_array_equal(await asked[2], LOGITS[18:27])
        await batcher.close()
        assert batcher.waiting == 0

    asyncio.run(work())


def test_a_failed_device_is_an_error_for_all(accelerator) -> None:
    async def work() -> None:
        batcher = Batcher(accelerator)
        accelerator.close()
        found = await asyncio.gather(
            *(batcher.infer(INPUTS[:5]) for _ in range(3)), return_exceptions=True
        )
        assert [type(error) for error in found] == [DeviceLostError] * 3
        assert all(isinstance(error, TwofoldError) for error in found) and batcher.waiting == 0

    asyncio.run(work())
