"""The data listener: HTTP/1.1 on one port, the data plane and nothing else behind it."""

import asyncio
import logging
import socket

from tollkeeper_server.doors.http1.call import App
from tollkeeper_server.doors.http1.connection import Connection

_log = logging.getLogger("tollkeeper.http")
_KEEP_ALIVE_SECONDS = 75.0
_BACKLOG = 2048


class DataListener:
    """Serves an ASGI application on a bound socket. Implements the connections' `Owner`."""

    def __init__(
        self,
        app: App,
        bound: socket.socket,
        *,
        drain_seconds: float,
        keep_alive: float = _KEEP_ALIVE_SECONDS,
    ) -> None:
        """`keep_alive` is how many seconds a connection may go without a request under way."""
        self.app = app
        self.keep_alive = keep_alive
        self.loop: asyncio.AbstractEventLoop
        self._bound = bound
        self._drain_seconds = drain_seconds
        self._stopped = asyncio.Event()
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    async def serve(self) -> None:
        """Serves until told to stop, and until the requests under way have ended or the drain has."""
        self.loop = asyncio.get_running_loop()
        server = await self.loop.create_server(lambda: Connection(self), sock=self._bound, backlog=_BACKLOG)
        await self._stopped.wait()
        server.close()
        for connection in list(self._connections):
            connection.shut()
        try:
            async with asyncio.timeout(self._drain_seconds):
                await self._empty.wait()
        except TimeoutError:
            _log.warning("%d requests did not end in time and are cut off", len(self._tasks))
            for task in self._tasks:
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for connection in list(self._connections):  # what a caller does not take holds nothing up
            connection.cut()
        await self._empty.wait()
        await server.wait_closed()

    def stop(self) -> None:
        """Accepts nothing more."""
        self._stopped.set()

    def made(self, connection: Connection) -> None:
        """Takes note of a connection."""
        self._connections.add(connection)
        self._empty.clear()
        if self._stopped.is_set():  # it was accepted a moment before
            connection.shut()

    def started(self, task: asyncio.Task[None]) -> None:
        """Takes note of a request that is being answered."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def lost(self, connection: Connection) -> None:
        """Takes note that a connection is closed."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()
