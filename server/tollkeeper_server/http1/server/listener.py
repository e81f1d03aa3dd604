"""The data listener: HTTP/1.1 on one port, over TLS or not, for the data plane alone."""

import asyncio
import logging
import socket
import ssl
from functools import partial

from tollkeeper_server.dataplane.caller import App
from tollkeeper_server.domain.listener import MAIN
from tollkeeper_server.http1.server.acceptor import Acceptor, Arrivals, PlainArrivals
from tollkeeper_server.http1.server.bounds import CallerBounds
from tollkeeper_server.http1.server.connection import CallerConnection
from tollkeeper_server.http1.server.handshake import Handshakes
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.http1.server.plain import PlainConnection

_log = logging.getLogger("tollkeeper.http")
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
        bounds: CallerBounds | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`drain_seconds` is how long requests under way may take once the listener stops.

        `bounds` are those that it shares with other listeners.
        """
        self.app = app
        self.name = name
        self.limits = limits
        self.loop: asyncio.AbstractEventLoop
        self.bound = bound
        self.bounds = bounds or CallerBounds()
        self.tls = tls
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
        arrivals = self._arrivals()
        acceptor = Acceptor(self.bound, arrivals, self.bounds.has_enough)
        acceptor.open()
        await self._stopped.wait()
        if not self._shared:
            acceptor.accept_rest()
        acceptor.close()
        for connection in list(self._connections):
            connection.shut()
        await arrivals.finish(min(self.limits.quiet, self._drain_seconds))
        try:
            async with asyncio.timeout(self._drain_seconds):
                await self._empty.wait()
                while self.tasks:  # those whose callers have left may go on, too
                    await asyncio.wait(self.tasks)
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

    def stop(self, *, shared: bool = False) -> None:
        """Accept nothing more. `shared`: another process accepts on the socket."""
        self._shared = shared
        self._stopped.set()

    def _arrivals(self) -> Arrivals:
        if self.tls is None:
            return PlainArrivals(partial(CallerConnection, self))
        return Handshakes(
            self.tls,
            secured=partial(CallerConnection, self),
            plain=partial(PlainConnection, self),
            seconds=lambda: self.limits.head,
            failed=self.bounds.count_handshake,
        )

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
