"""The simulator on a socket."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tollkeeper_server.simulator.app import make_app
from tollkeeper_server.simulator.config import SimulatorConfig
from tollkeeper_server.simulator.exchange import TRANSPORT

_BACKLOG = 4096
_KEEP_ALIVE_SECONDS = 75


class _Protocol(HttpToolsProtocol):
    """HTTP/1.1 that lets the application have the connection, for faults ASGI can't express."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class _Server(uvicorn.Server):
    """A server that leaves signals to its host and says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


async def serve(
    host: str, port: int, config: SimulatorConfig, ready: Callable[[int], None] | None = None
) -> None:
    """Serves a simulator until cancelled; then every connection is closed at once.

    Port 0 takes a free one; `ready` is called with the real port as soon as connections are accepted.
    Signals are left to the caller. Raises `OSError` if the address can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.setblocking(False)
        real_port = listener.getsockname()[1]
        server = _Server(
            uvicorn.Config(
                make_app(config),
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            ),
            ready=lambda: ready(real_port) if ready is not None else None,
        )
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = server.force_exit = True
            for connection in list(server.server_state.connections):
                connection.transport.abort()
            await asyncio.wait([serving])
