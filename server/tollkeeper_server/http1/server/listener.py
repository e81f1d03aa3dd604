"""The data listener: HTTP/1.1 on one port, the data plane and nothing else behind it."""

import asyncio
import contextlib
import logging
import socket

from tollkeeper_server.domain.listener import MAIN
from tollkeeper_server.http1.server.call import App
from tollkeeper_server.http1.server.connection import Connection

_log = logging.getLogger("tollkeeper.http")
_KEEP_ALIVE_SECONDS = 75.0
_BACKLOG = 2048
QUIET_SECONDS = 5.0
"""How long a connection may go without a request once its listener stops, before it is closed."""
HEAD_SECONDS = 10.0
"""How long a caller may take for a request's head unless a listener says otherwise."""


class DataListener:
    """Serves an ASGI application on a bound socket. Implements the connections' `Owner`.

    `name` and `head_timeout` may be changed while it serves.
    """

    def __init__(
        self,
        app: App,
        bound: socket.socket,
        *,
        drain_seconds: float,
        name: str = MAIN,
        head_timeout: float = HEAD_SECONDS,
        keep_alive: float = _KEEP_ALIVE_SECONDS,
        quiet: float = QUIET_SECONDS,
    ) -> None:
        """Takes times in seconds.

        `keep_alive` is how long a connection may go without a request under way, `quiet` how long once the
        listener stops.
        """
        self.app = app
        self.name = name
        self.head_timeout = head_timeout
        self.keep_alive = keep_alive
        self.quiet = quiet
        self.loop: asyncio.AbstractEventLoop
        self.bound = bound
        self._drain_seconds = drain_seconds
        self._stopped = asyncio.Event()
        self._shared = False
        self._connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        """The requests that are being answered."""
        self._empty = asyncio.Event()
        self._empty.set()

    async def serve(self) -> None:
        """Serves until told to stop, and until every connection has ended or the drain time has."""
        self.loop = asyncio.get_running_loop()
        server = await self.loop.create_server(lambda: Connection(self), sock=self.bound, backlog=_BACKLOG)
        await self._stopped.wait()
        if not self._shared:
            await self._accept_rest()
        server.close()
        for connection in list(self._connections):
            connection.shut()
        for _ in range(3):  # what the loop had accepted becomes a connection
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(self._drain_seconds):
                await self._empty.wait()
        except TimeoutError:
            if self.tasks:
                _log.warning("%d requests did not end in time and are cut off", len(self.tasks))
            for task in self.tasks:
                task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)
        for connection in list(self._connections):  # what a caller does not take holds nothing up
            connection.cut()
        await self._empty.wait()
        await server.wait_closed()

    def stop(self, *, shared: bool = False) -> None:
        """Accepts nothing more. `shared`: another process accepts on the socket."""
        self._shared = shared
        self._stopped.set()

    async def _accept_rest(self) -> None:
        """Takes those who have connected already: closing the socket would reset their connections."""
        while True:
            try:
                connected, _ = self.bound.accept()
            except OSError:
                return
            connected.setblocking(False)
            with contextlib.suppress(OSError):
                await self.loop.connect_accepted_socket(lambda: Connection(self), connected)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def made(self, connection: Connection) -> None:
        """Takes note of a connection."""
        self._connections.add(connection)
        self._empty.clear()
        if self._stopped.is_set():  # it was accepted a moment before
            connection.shut()

    def lost(self, connection: Connection) -> None:
        """Takes note that a connection is closed."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()
