"""A network on the replicas of a cluster, as one accelerator: a deployment of Ray Serve.

Ray Serve places the replicas, watches their health, replaces those that fail, and adds and removes
some as the load asks. What was accepted here is kept until it is answered: a run whose replica or
node is lost goes to another one. A network is a function, so that computing twice changes nothing;
each run is answered once, here.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import TwofoldError
from twofold.sw.driver.ticket import Results
from twofold.sw.errors import DeviceError, DeviceLostError
from twofold.sw.rack.cluster import claim, ray_module
from twofold.sw.rack.replica import Plan, Replica, lost

ONGOING = 2
"""Runs at a replica: one computes while the other is on its way."""
PATIENCE = 120.0
"""Seconds for which a run looks for a replica that answers it."""
PAUSE = 0.2
"""Seconds before a run is tried again."""
HEALTH_SECONDS = 2.0
"""Between two checks of a replica's device."""
START_SECONDS = 300.0
"""For the first replicas to come up."""


@dataclass(frozen=True)
class Scale:
    """Numbers of replicas: at least, and at most."""

    least: int = 1
    most: int = 1


@dataclass(eq=False)
class _Run:
    inputs: NDArray[np.uint8]
    answer: Any


class Rack:
    """The replicas of one network (`twofold.sw.driver.computes.Computes`). Thread-safe.

    Attributes
    ----------
    about: what computes, and whether it is simulated.
    retried: runs that were given to another replica.
    """

    def __init__(self, handle: Any, patience: float = PATIENCE) -> None:
        self._handle, self._patience = handle, patience
        self.retried = 0
        reason, simulated = self._get(self._handle.about.remote(), START_SECONDS)
        self.about: tuple[str, bool] = (f"a cluster: {reason}", simulated)

    def submit(self, batch: NDArray[np.uint8], /) -> _Run:
        """Send samples to a replica; returns at once."""
        return _Run(batch, self._handle.infer.remote(batch))

    def result(self, ticket: _Run, /) -> Results:
        """Wait for a run; from any thread but that of an event loop.

        Raises DeviceLostError where no replica answers for `PATIENCE` seconds, and what a replica
        raises that would go wrong on another one too.
        """
        end = time.monotonic() + self._patience
        while True:
            try:
                return self._get(ticket.answer, max(end - time.monotonic(), 0.0))
            except _AgainError as reason:
                if time.monotonic() + PAUSE > end:
                    raise DeviceLostError(f"no replica answers: {reason}") from reason
            self.retried += 1
            time.sleep(PAUSE)
            ticket.answer = self._handle.infer.remote(ticket.inputs)

    @staticmethod
    def _get(answer: Any, seconds: float) -> Any:
        """Raises _AgainError where another replica may do better."""
        failures = ray_module("ray.exceptions")
        try:
            return answer.result(timeout_s=seconds)
        except TimeoutError as error:
            raise DeviceLostError(f"no replica has answered for {seconds:.0f} s") from error
        except failures.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, TwofoldError) and not lost(cause):
                raise cause from error
            if not isinstance(cause, TwofoldError | failures.RayError):
                raise DeviceError(f"a replica failed: {cause}") from error
            raise _AgainError(str(cause).splitlines()[0]) from error
        except failures.RayError as error:
            raise _AgainError(str(error).splitlines()[0]) from error


class _AgainError(Exception):
    """Another replica may do better."""


@contextmanager
def deployed(ray: Any, name: str, plan: Plan, scale: Scale) -> Iterator[Rack]:
    """The replicas of a network, by the name of the network and its content.

    One that runs already, of the same content, is joined; otherwise it is started, and ended with
    the context. Raises DeviceError where no replica comes up.
    """
    serve = ray_module("ray.serve")
    application = f"{name}-{sha256(repr(plan).encode()).hexdigest()[:12]}"
    serve.start(proxy_location="Disabled")
    running = serve.status().applications.get(application)
    if running is not None and running.status == "RUNNING":
        yield Rack(serve.get_app_handle(application))
        return
    deployment = serve.deployment(
        _Served,
        name=name,
        max_ongoing_requests=ONGOING,
        ray_actor_options=claim(ray),
        health_check_period_s=HEALTH_SECONDS,
        health_check_timeout_s=30,
        graceful_shutdown_timeout_s=5,
        autoscaling_config={
            "min_replicas": scale.least, "max_replicas": scale.most,
            "target_ongoing_requests": 1.5, "upscale_delay_s": 2, "downscale_delay_s": 60,
        },
    )  # fmt: skip
    try:
        try:
            handle = serve.run(deployment.bind(plan), name=application, route_prefix=None)
        except RuntimeError as error:
            raise DeviceError(f"no replica of {name} comes up: {_told(error)}") from error
        yield Rack(handle)
    finally:
        serve.delete(application)


class _Served:
    """A replica, as Ray Serve calls it."""

    def __init__(self, plan: Plan) -> None:
        self._replica = Replica(plan)

    async def infer(self, inputs: NDArray[np.uint8]) -> Results:
        return await asyncio.to_thread(self._replica.infer, inputs)

    async def about(self) -> tuple[str, bool]:
        return self._replica.about

    async def check_health(self) -> None:
        await asyncio.to_thread(self._replica.check)


def _told(error: Exception) -> str:
    """The line that says what went wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line), lines[0] if lines else "")
