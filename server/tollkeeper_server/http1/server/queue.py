"""The requests of one connection: one is answered at a time, in the order in which they came."""

import asyncio
from collections import deque
from typing import Protocol

from tollkeeper_server.dataplane.caller import App
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.http1.server.cycle import Line, RequestCycle
from tollkeeper_server.http1.server.parse import RequestHead
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

    def rest(self) -> None: ...
    def close(self) -> None: ...
    def linger(self) -> None: ...
    def reset(self) -> None: ...


class RequestQueue:
    """Begins to answer a request once the one before is answered (RFC 9112, 9.3.2)."""

    __slots__ = (
        "_connection", "_refusal", "_server", "_waiting", "current", "is_shut", "latest", "tasks"
    )  # fmt: skip

    def __init__(self, connection: Connection, server: Server) -> None:
        self._connection = connection
        self._server = server
        self.tasks = server.tasks
        self._waiting: deque[RequestCycle] = deque()
        self._refusal: TollkeeperError | None = None
        self.current: RequestCycle | None = None
        """The request that is being answered."""
        self.latest: RequestCycle | None = None
        """The request that came last, whose body may still be coming."""
        self.is_shut = False
        """Whether the connection closes with the answer to what has been asked."""

    def begin(self, head: RequestHead) -> RequestCycle:
        """Take a request, and answer it if it is its turn."""
        self.latest = cycle = RequestCycle(
            self._connection, self, head, self._connection.client, self._server.name
        )
        if self.current is None:
            self._start(cycle)
        else:
            self._waiting.append(cycle)
            self._connection.pause_reading()
        return cycle

    def _start(self, cycle: RequestCycle) -> None:
        self.current = cycle
        cycle.task = self._server.loop.create_task(cycle.run(self._server.app), name=_REQUEST)
        self.tasks.add(cycle.task)

    def refuse(self, error: TollkeeperError) -> None:
        """Answer with an error once everything before it is answered. No further request may begin."""
        broken, self.latest = self.latest, None
        if broken is not None and broken.more_body:
            if self._waiting:
                self._waiting.pop()
            elif broken.answered:
                self._connection.close()
                return
            else:
                self.current = None
                self._answer_with(error)
                broken.leave()
                return
        if self.current is None:
            self._answer_with(error)
        else:
            self._refusal = error
            self._connection.pause_reading()

    def _answer_with(self, error: TollkeeperError) -> None:
        self._connection.write(*refusal(error))
        self._connection.linger()

    def leave(self) -> None:
        """Drop every request: the caller has left."""
        cycle, self.current = self.current, None
        self.latest = self._refusal = None
        self._waiting.clear()
        if cycle is not None:
            cycle.leave()

    def is_last(self) -> bool:
        """Return whether the connection closes after the current answer."""
        return self.is_shut and not self._waiting

    def ended(self, *, keep: bool) -> None:
        """Record that the current answer is whole. Unless `keep`, no other follows."""
        cycle, self.current = self.current, None
        if cycle is None:  # the caller has left
            return
        if not keep:
            if cycle.more_body:
                self._connection.linger()
            else:
                self._connection.close()
        elif self._waiting:
            self._start(self._waiting.popleft())
            if not self._waiting:
                self._connection.resume_reading()  # its body may not all have come
        elif self._refusal is not None:
            self._answer_with(self._refusal)
        else:
            self._connection.rest()

    def broke(self, *, reset: bool) -> None:
        """Record that the current answer will not become whole. With `reset` it has no other visible end."""
        self.current = None
        if reset:
            self._connection.reset()
        else:
            self._connection.close()
