"""The console listener: Hypercorn, HTTP/2 and HTTP/1.1, serving the console and the data plane."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import hypercorn.asyncio
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework, Scope

from tollkeeper_server.dataplane.headers import framed_twice
from tollkeeper_server.dataplane.plane import DataPlane
from tollkeeper_server.doors.rest import error_response
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain import request_id

_DATA_PATHS = ("/v1/", "/openai/")
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 2048


def front(plane: DataPlane, console: ASGIFramework) -> ASGIFramework:
    """Returns the application that gives `/v1` to the data plane and the rest to the console."""

    async def application(
        scope: Scope, receive: Callable[[], Awaitable[object]], send: Callable[[object], Awaitable[None]]
    ) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: HTTP's 403
        elif scope["type"] == "http" and scope["path"].startswith(_DATA_PATHS):
            await plane(scope, receive, send)  # type: ignore[arg-type]  # the same ASGI, typed apart
        elif scope["type"] == "http" and framed_twice(dict(scope["headers"])):
            await _refuse_framing(send)
        else:
            await console(scope, receive, send)  # type: ignore[arg-type]  # as above

    return application  # type: ignore[return-value]  # as above


async def _refuse_framing(send: Callable[[object], Awaitable[None]]) -> None:
    # The data plane refuses it as well; only the end of the connection keeps the rest from being read
    # as another request (RFC 9112, 6.1).
    error = TollkeeperError(
        Reason.INVALID_ARGUMENT,
        "content-length and transfer-encoding contradict each other; send one of them",
        field="content-length",
    )
    answer = error_response(error, request_id(None))
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    headers += [(b"content-length", str(len(answer.body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


class ConsoleListener:
    """Serves on a bound socket: h2c and HTTP/1.1, or with a certificate both over TLS."""

    def __init__(
        self,
        application: ASGIFramework,
        bound: socket.socket,
        *,
        certificate: tuple[Path, Path] | None,
        drain_seconds: float,
    ) -> None:
        config = Config()
        config.bind = [f"fd://{bound.detach()}"]
        config.backlog = _BACKLOG
        config.accesslog = None
        config.errorlog = None
        config.include_date_header = False
        config.include_server_header = False
        config.graceful_timeout = drain_seconds
        config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
        config.keep_alive_max_requests = 1 << 62  # its default of 1,000 cuts busy clients off
        config.h2_max_concurrent_streams = 1000
        if certificate is not None:
            config.certfile, config.keyfile = (str(path) for path in certificate)
        self._config = config
        self._application = application
        self._stopped = asyncio.Event()

    async def serve(self) -> None:
        """Serves until told to stop, and until the requests under way have ended or the drain has."""
        await hypercorn.asyncio.serve(self._application, self._config, shutdown_trigger=self._stopped.wait)

    def stop(self) -> None:
        """Accepts nothing more."""
        self._stopped.set()
