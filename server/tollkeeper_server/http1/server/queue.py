"""The requests of one connection: one is read and answered at a time."""

import asyncio
from typing import Protocol

from tollkeeper_server.dataplane.caller import App
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.http1.server.cycle import Line, RequestCycle
from tollkeeper_server.http1.server.message import RequestHead
from tollkeeper_server.http1.server.refusal import refusal

_REQUEST = "request"  # asyncio would make a name for each task


class Server(Protocol):
    """The listener whose application answers (`DataListener`)."""

    app: App
    name: str
    loop: asyncio.AbstractEventLoop
    tasks: set[asyncio.Task[None]]


class Connection(Line, Protocol):
    """The connection of the requests (`CallerConnection`)."""

    client: tuple[str, int] | None

    @property
    def has_waiting(self) -> bool: ...
    def rest(self) -> None: ...
    def close(self) -> None: ...
    def linger(self) -> None: ...
    def reset(self) -> None: ...


class RequestQueue:
    """Has the request answered that was read. The next one is not read before that (RFC 9112, 9.3.2)."""

    __slots__ = ("_connection", "_server", "current", "is_shut", "latest", "tasks")

    def __init__(self, connection: Connection, server: Server) -> None:
        self._connection = connection
        self._server = server
        self.tasks = server.tasks
        self.current: RequestCycle | None = None
        """The request that is being answered."""
        self.latest: RequestCycle | None = None
        """The request that was read last, whose body may still be coming."""
        self.is_shut = False
        """Whether the connection closes with the answer to what has been asked."""

    def begin(self, head: RequestHead) -> RequestCycle:
        """Take a request, and answer it."""
        self.latest = self.current = cycle = RequestCycle(
            self._connection, self, head, self._connection.client, self._server.name
        )
        cycle.task = self._server.loop.create_task(cycle.run(self._server.app), name=_REQUEST)
        self.tasks.add(cycle.task)
        return cycle

    def refuse(self, error: TollkeeperError) -> None:
        """Answer with an error what can't be read. No further request may begin."""
        broken, self.latest = self.latest, None
        if broken is None or not broken.more_body:
            self._answer_with(error)
        elif broken.answered:
            self._connection.close()
        else:
            self.current = None
            self._answer_with(error)
            broken.leave()

    def _answer_with(self, error: TollkeeperError) -> None:
        self._connection.write(*refusal(error))
        self._connection.linger()

    def leave(self) -> RequestCycle | None:
        """Drop the request that is being answered, as the caller has left, and return it."""
        cycle, self.current = self.current, None
        self.latest = None
        return cycle

    def is_last(self) -> bool:
        """Return whether the connection closes after the current answer."""
        return self.is_shut and not self._connection.has_waiting

    def ended(self, *, keep: bool) -> None:
        """Record that the current answer is whole. Unless `keep`, no other follows."""
        cycle, self.current = self.current, None
        if cycle is None:  # the caller has left
            return
        if keep:
            self._connection.rest()
        elif cycle.more_body:
            self._connection.linger()
        else:
            self._connection.close()

    def broke(self, *, reset: bool) -> None:
        """Record that the current answer will not become whole. With `reset` it has no other visible end."""
        self.current = None
        if reset:
            self._connection.reset()
        else:
            self._connection.close()
