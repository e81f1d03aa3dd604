"""The connections to one upstream: those in use, and those kept for the next request."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from random import uniform

from tollkeeper_server.dataplane.transport import ConnectError
from tollkeeper_server.domain.connect_failure import ConnectReason, ConnectStage
from tollkeeper_server.http1.client.connection import UpstreamConnection
from tollkeeper_server.http1.client.failure import connect_error
from tollkeeper_server.http1.client.request import Address
from tollkeeper_server.http1.pace import ReadPace

Connect = Callable[[Address, UpstreamConnection], Awaitable[None]]
"""Establishes a connection to an address. Raises `ConnectError`."""


class ConnectionPool:
    """Keeps connections to `address` for reuse, the last one used first. `limit` 0 is none.

    A connection that has been idle for `keepalive` seconds is not used again, nor is one that is older than
    `max_age` seconds, less up to half of that so that connections do not end together: a busy pool follows
    an address that has changed.
    """

    __slots__ = (
        "_connect", "_connecting", "_connections", "_idle", "_keepalive", "_limit", "_loop", "_max_age",
        "_pace", "_queue", "_shut", "_when_closed", "address",
    )  # fmt: skip

    def __init__(
        self,
        address: Address,
        connect: Connect,
        *,
        limit: int,
        keepalive: float,
        max_age: float,
        loop: asyncio.AbstractEventLoop,
        pace: ReadPace,
    ) -> None:
        self.address = address
        self._pace = pace
        self._connect = connect
        self._limit = limit
        self._keepalive = keepalive
        self._max_age = max_age
        self._loop = loop
        self._connecting = 0
        self._connections: set[UpstreamConnection] = set()
        self._idle: list[UpstreamConnection] = []
        self._queue: deque[asyncio.Future[None]] = deque()
        self._shut = False
        self._when_closed: asyncio.Future[None] | None = None

    @property
    def is_unused(self) -> bool:
        """Whether it holds no connection, and no request waits for one."""
        return not (self._connections or self._connecting or self._queue)

    def take(self) -> UpstreamConnection | None:
        """Return a kept connection that is not known to be dead, or None if there is none."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if self._loop.time() < connection.idle_until and connection.is_quiet:
                return connection
            connection.drop()
        return None

    async def get(
        self,
        timeout: float,  # noqa: ASYNC109 - no scope of its own
        *,
        new: bool = False,
    ) -> UpstreamConnection:
        """Return a connection, new if none is kept or it must be, within `timeout` seconds.

        Raises `ConnectError`.
        """
        connection = UpstreamConnection(self, self._loop, self._pace)
        try:
            async with asyncio.timeout(timeout):
                while self._is_full():
                    kept = self.take()
                    if kept is not None and not new:
                        return kept
                    if kept is not None:
                        kept.drop()  # which makes room
                    await self._wait()
                return await self._open(connection)
        except TimeoutError as error:
            stage = connection.stage
            reason = ConnectReason.NAME if stage is ConnectStage.NAME else ConnectReason.TIMED_OUT
            raise connect_error(reason, at_proxy=connection.at_proxy, detail=stage.value) from error

    def _is_full(self) -> bool:
        return 0 < self._limit <= len(self._connections) + self._connecting and not self._shut

    async def _open(self, connection: UpstreamConnection) -> UpstreamConnection:
        self._connecting += 1
        try:
            if not self._shut:
                await self._connect(self.address, connection)
        except BaseException:
            connection.drop()
            self._next()
            raise
        finally:
            self._connecting -= 1
        if self._shut:
            connection.drop()
            raise ConnectError("the gateway is shutting down")
        if not connection.is_open:
            self._next()
            raise connect_error(ConnectReason.CLOSED)
        age = self._max_age * uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
        connection.good_until = self._loop.time() + age
        self._connections.add(connection)
        return connection

    async def _wait(self) -> None:
        turn = self._loop.create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._queue:
                self._queue.remove(turn)
            else:
                self._next()  # the turn was this request's
            raise

    def _next(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep a connection for the next request, unless it is too old."""
        now = self._loop.time()
        until = now + self._keepalive
        if until > connection.good_until:
            until = connection.good_until
            if now >= until:
                connection.drop()
                return
        connection.idle_until = until
        self._idle.append(connection)
        if self._queue:
            self._next()

    def lost(self, connection: UpstreamConnection) -> None:
        """Forget a connection that is closed."""
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._next()
        if self._when_closed is not None and not self._connections:
            self._when_closed.set_result(None)

    def sweep(self) -> None:
        """Close the connections that have been idle for too long, or are too old."""
        now = self._loop.time()
        for connection in [one for one in self._idle if one.idle_until <= now]:
            connection.drop()

    def shut(self) -> None:
        """Open no more connections, and refuse the requests that wait for one."""
        self._shut = True
        while self._queue:
            self._next()

    async def close(self) -> None:
        """Close every connection, and return when they are closed."""
        self.shut()
        for connection in list(self._connections):
            connection.cut()
        if self._connections:
            self._when_closed = when_closed = self._loop.create_future()
            await when_closed
