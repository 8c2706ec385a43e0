"""Run the application until a signal asks it to stop."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from twofold.hw.contract.errors import ToolError
from twofold.sw.serve.connections import Connection, LiveSocket
from twofold.sw.serve.limits import Limits
from twofold.sw.serve.live import MESSAGE

GRACE = 30
"""Seconds that a stop waits for requests under way."""
BACKLOG = 512
STOPPING = (signal.SIGINT, signal.SIGTERM)


class _Server(uvicorn.Server):
    """Leaves signals to `serve`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises ToolError."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        found = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ToolError(f"cannot listen on {host} port {port}: {reason}") from error
    # Connections inherit it. asyncio leaves it out where a socket does not name its protocol, and
    # every answer then waits 40 ms for the client to acknowledge its header.
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def serve(
    app: FastAPI,
    at: socket.socket,
    limits: Limits,
    started: Callable[[], None],
    finish: Callable[[], Awaitable[None]],
) -> None:
    """Serve until SIGINT or SIGTERM; then answer what was accepted, and return.

    ``started`` is called once requests are answered, ``finish`` to end what would not end by
    itself. A second signal waits for nothing.
    """
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, limit_concurrency=limits.connections,
        timeout_keep_alive=limits.idle, timeout_graceful_shutdown=GRACE, http=Connection,
        ws=LiveSocket, ws_max_size=MESSAGE, ws_ping_interval=None, ws_per_message_deflate=False,
    )  # fmt: skip
    server = _Server(config)

    stopping: set[asyncio.Task[None]] = set()

    async def stop() -> None:
        try:
            await asyncio.wait_for(finish(), GRACE)
        except asyncio.TimeoutError:
            pass
        finally:
            server.should_exit = True

    def asked() -> None:
        if stopping:
            server.force_exit = server.should_exit = True
        stopping.add(asyncio.get_running_loop().create_task(stop()))

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for number in STOPPING:
            loop.add_signal_handler(number, asked)
        serving = loop.create_task(server.serve([at]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        started()
        await serving

    asyncio.run(run())
