"""The data listener: HTTP/1.1 on one port, for the data plane alone."""

import asyncio
import contextlib
import logging
import socket
from functools import partial

from tollkeeper_server.dataplane.caller import App
from tollkeeper_server.domain.listener import MAIN
from tollkeeper_server.http1.server.connection import CallerConnection
from tollkeeper_server.http1.server.limits import TimeLimits

_log = logging.getLogger("tollkeeper.http")
BACKLOG = 2048
"""How many connections the kernel holds for a listener until it accepts them."""
_LIMITS = TimeLimits()


class DataListener:
    """Serves an ASGI application on a bound socket. `name` and `limits` may be changed while it serves."""

    def __init__(
        self,
        app: App,
        bound: socket.socket,
        *,
        drain_seconds: float,
        name: str = MAIN,
        limits: TimeLimits = _LIMITS,
    ) -> None:
        """`drain_seconds` is how long requests under way may take once the listener stops."""
        self.app = app
        self.name = name
        self.limits = limits
        self.loop: asyncio.AbstractEventLoop
        self.bound = bound
        self._drain_seconds = drain_seconds
        self._stopped = asyncio.Event()
        self._shared = False
        self._connections: set[CallerConnection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        """The requests that are being answered."""
        self._empty = asyncio.Event()
        self._empty.set()

    async def serve(self) -> None:
        """Serve until told to stop, and until every connection has ended or the drain time has."""
        self.loop = asyncio.get_running_loop()
        accept = partial(CallerConnection, self)
        server = await self.loop.create_server(accept, sock=self.bound, backlog=BACKLOG)
        await self._stopped.wait()
        if not self._shared:
            await self._accept_rest()
        server.close()
        for connection in list(self._connections):
            connection.shut()
        for _ in range(3):  # the loop makes connections of what it had accepted
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
        for connection in list(self._connections):  # a caller that does not read holds nothing up
            connection.abort()
        await self._empty.wait()
        await server.wait_closed()

    def stop(self, *, shared: bool = False) -> None:
        """Accept nothing more. `shared`: another process accepts on the socket."""
        self._shared = shared
        self._stopped.set()

    async def _accept_rest(self) -> None:
        """Accept the callers that have connected: closing the socket would reset their connections."""
        while True:
            try:
                connected, _ = self.bound.accept()
            except OSError:
                return
            connected.setblocking(False)
            with contextlib.suppress(OSError):
                await self.loop.connect_accepted_socket(partial(CallerConnection, self), connected)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def made(self, connection: CallerConnection) -> None:
        """Record that a connection is open."""
        self._connections.add(connection)
        self._empty.clear()
        if self._stopped.is_set():  # it was accepted a moment before
            connection.shut()

    def lost(self, connection: CallerConnection) -> None:
        """Record that a connection is closed."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()
