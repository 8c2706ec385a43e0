"""The application: paths of the Open Inference Protocol, and of Prometheus."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocket

from twofold.hw.contract.errors import TwofoldError
from twofold.sw.data.audio import RATE
from twofold.sw.serve import protocol
from twofold.sw.serve.batching import Batcher, BusyError
from twofold.sw.serve.limits import Doorkeeper, Limits
from twofold.sw.serve.live import Live, hears, rate_of
from twofold.sw.serve.metrics import CONTENT_TYPE, Metrics
from twofold.sw.serve.model import Model
from twofold.sw.serve.origin import SUBPROTOCOL, authorization, check_origin
from twofold.sw.serve.page import add_page
from twofold.sw.serve.protocol import HEADER_LENGTH, ProtocolError, refuse_version

FAILED, BUSY = 500, 503


class Server:
    """Answers requests for ``models``, by name."""

    def __init__(self, models: Mapping[str, Model], limits: Limits) -> None:
        self._models, self._limits = models, limits
        self._door = Doorkeeper(limits)
        self.batchers = {
            name: Batcher(model.accelerator, ahead=model.ahead) for name, model in models.items()
        }
        self.live = {
            name: Live(name, model, limits)
            for name, model in models.items()
            if hears(model.network)
        }
        self.metrics = Metrics(self.batchers, self.live)
        self.stopping = False
        self._held = 0

    async def finish(self) -> None:
        """End live sessions, which would not end by themselves: what was heard is answered."""
        self.stopping = True
        await asyncio.gather(*(live.close() for live in self.live.values()))

    async def close(self) -> None:
        """Answer what was accepted, and nothing more."""
        await self.finish()
        await asyncio.gather(*(batcher.close() for batcher in self.batchers.values()))

    def model(self, name: str, version: str | None) -> Model:
        """Raises ProtocolError with status 404 where there is no such model."""
        if name not in self._models:
            known = ", ".join(self._models)
            raise ProtocolError(f"there is no model {name[:40]!r}, only {known}", 404)
        if version is not None:
            refuse_version(version)
        return self._models[name]

    def let_in(self, request: Request) -> None:
        """Raises ProtocolError unless the client may ask for something."""
        client = request.client.host if request.client else ""
        self._door.check(client, request.headers.get("authorization"))

    def let_listen(self, socket: WebSocket, name: str) -> Live:
        """The live sessions that a client may join. Raises ProtocolError, BusyError."""
        check_origin(socket.headers, self._limits)
        client = socket.client.host if socket.client else ""
        self._door.check(client, authorization(socket.headers, socket.scope["subprotocols"]))
        self.model(name, None)
        if name not in self.live:
            raise ProtocolError(f"{name} finds no words in audio")
        if self.stopping:
            raise BusyError("the server is stopping")
        if sum(len(live.sessions) for live in self.live.values()) >= self._limits.streams:
            raise BusyError(f"{self._limits.streams} live streams at once; try again later")
        return self.live[name]

    async def infer(self, request: Request, name: str, version: str | None) -> Response:
        """Answer an inference request. Raises ProtocolError, and what the device raises."""
        model = self.model(name, version)
        body = bytearray()
        try:
            await self._read(request, body)
            length, network = request.headers.get(HEADER_LENGTH), model.network.network
            asked = await asyncio.to_thread(protocol.parse, network, bytes(body), length)
            logits = await self.batchers[name].infer(asked.inputs)
        finally:
            self._held -= len(body)
        content, head = await asyncio.to_thread(protocol.answer, name, model.network, asked, logits)
        if head is None:
            return Response(content, media_type="application/json")
        return Response(
            content,
            media_type="application/octet-stream",
            headers={HEADER_LENGTH: str(head)},
        )

    async def counted(self, request: Request, name: str, version: str | None) -> Response:
        """`infer`, with errors as answers, counted."""
        begun = time.monotonic()
        try:
            self.let_in(request)
            found = await self.infer(request, name, version)
        except TwofoldError as error:
            found = refusal(error)
        known = name if name in self._models else ""
        self.metrics.answered(known, found.status_code, time.monotonic() - begun)
        return found

    async def _read(self, request: Request, body: bytearray) -> None:
        """Raises ProtocolError for a body that is too long, too slow, or compressed."""
        if request.headers.get("content-encoding", "identity") != "identity":
            raise ProtocolError("bodies are not decompressed; send them as they are", 415)
        try:
            await asyncio.wait_for(self._receive(request, body), self._limits.seconds)
        except asyncio.TimeoutError as error:
            late = f"the request did not arrive within {self._limits.seconds:g} s"
            raise ProtocolError(late, 408) from error
        except ClientDisconnect as error:
            raise ProtocolError("the client has gone") from error

    async def _receive(self, request: Request, body: bytearray) -> None:
        async for part in request.stream():
            if len(body) + len(part) > self._limits.body:
                raise ProtocolError(f"the request has more than {self._limits.body} bytes", 413)
            if self._held + len(part) > self._limits.bodies:
                raise BusyError("too many requests are on their way; try again later")
            body += part
            self._held += len(part)


def refusal(error: TwofoldError) -> Response:
    """The answer that says what went wrong."""
    status = FAILED
    if isinstance(error, ProtocolError):
        status = error.status
    elif isinstance(error, BusyError):
        status = BUSY
    headers = {"Retry-After": "1"} if status in (429, BUSY) else {}
    headers |= {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse({"error": str(error)}, status, headers)


def make_app(models: Mapping[str, Model], limits: Limits | None = None) -> FastAPI:
    """The application for ``models``, by name."""
    server = Server(models, limits or Limits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await server.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.server = server

    @app.exception_handler(TwofoldError)
    async def refuse(_: Request, error: Exception) -> Response:
        return refusal(error if isinstance(error, TwofoldError) else TwofoldError(str(error)))

    _add_health(app, server)
    _add_models(app, server)
    _add_live(app, server)
    add_page(app)

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        server.let_in(request)
        return Response(server.metrics.text(), media_type=CONTENT_TYPE)

    return app


def _add_health(app: FastAPI, server: Server) -> None:
    @app.get("/v2/health/live")
    async def live() -> Response:
        return Response()

    @app.get("/v2/health/ready")
    async def ready() -> Response:
        return Response(status_code=BUSY if server.stopping else 200)

    @app.get("/v2")
    async def about(request: Request) -> dict[str, Any]:
        server.let_in(request)
        return protocol.server_metadata(_version())


def _add_models(app: FastAPI, server: Server) -> None:
    """Every path of a model exists with a version and without."""

    async def ready(request: Request) -> Response:
        server.let_in(request)
        server.model(*_named(request))
        return Response(status_code=BUSY if server.stopping else 200)

    async def about(request: Request) -> Response:
        server.let_in(request)
        name, found = _named(request)
        return JSONResponse(protocol.metadata(name, server.model(name, found).network.network))

    async def infer(request: Request) -> Response:
        return await server.counted(request, *_named(request))

    for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        app.add_api_route(path, about, methods=["GET"])
        app.add_api_route(f"{path}/ready", ready, methods=["GET"])
        app.add_api_route(f"{path}/infer", infer, methods=["POST"])


def _add_live(app: FastAPI, server: Server) -> None:
    @app.get("/live")
    async def models(request: Request) -> list[str]:
        server.let_in(request)
        return list(server.live)

    @app.websocket("/live/{name}")
    async def listen(socket: WebSocket, name: str) -> None:
        try:
            live = server.let_listen(socket, name)
            rate = rate_of(socket.query_params.get("rate", str(RATE)))
            chosen = SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None
            await live.serve(socket, rate, chosen)
        except TwofoldError as error:
            await socket.send_denial_response(refusal(error))


def _named(request: Request) -> tuple[str, str | None]:
    return request.path_params["name"], request.path_params.get("version")


def _version() -> str:
    try:
        return version("twofold")
    except PackageNotFoundError:
        return "unknown"
