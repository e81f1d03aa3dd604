"""The simulator on a socket."""

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tollkeeper_server.simulator.app import make_app
from tollkeeper_server.simulator.config import SimulatorConfig
from tollkeeper_server.simulator.exchange import TRANSPORT

_BACKLOG = 4096
_KEEP_ALIVE_SECONDS = 75


class _Protocol(HttpToolsProtocol):
    """HTTP/1.1 that passes the connection to the application, for faults that ASGI can't express."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


async def serve(
    host: str, port: int, config: SimulatorConfig, ready: Callable[[int], None] | None = None
) -> None:
    """Serve a simulator until the task is cancelled; then close every connection at once.

    Port 0 takes a free port; `ready` is called with the real port as soon as connections are accepted.
    The caller handles signals and chooses the event loop; uvloop is much faster than asyncio's own.
    Raises `OSError` if the address can't be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets whose protocol is given as TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    settings = uvicorn.Config(
        make_app(config),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    settings.load()
    state = ServerState()

    # uvicorn's own server installs signal handlers, and takes tenths of a second to stop.
    server = await asyncio.get_running_loop().create_server(
        lambda: _Protocol(config=settings, server_state=state, app_state={}), sock=listener, backlog=_BACKLOG
    )
    try:
        if ready is not None:
            ready(listener.getsockname()[1])
        await asyncio.Event().wait()
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(list(state.tasks))
