"""The console's listener: HTTP/2 and HTTP/1.1 on one port."""

import asyncio
import contextlib
import logging
import socket
import ssl
from functools import partial

from tollkeeper_server.dataplane.caller import App, Message, Receive, Send
from tollkeeper_server.domain.listener import CONSOLE
from tollkeeper_server.doors.console_connection import ConsoleConnection
from tollkeeper_server.doors.front import is_data_path
from tollkeeper_server.doors.http2.connection import Http2Connection
from tollkeeper_server.doors.http2.shared import Shared
from tollkeeper_server.doors.refusals import Refusal, Refusals
from tollkeeper_server.doors.rest.door import error_response
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.http1 import descriptors
from tollkeeper_server.http1.server.acceptor import Acceptor, Arrivals, PlainArrivals
from tollkeeper_server.http1.server.bounds import CallerBounds
from tollkeeper_server.http1.server.connection import CallerConnection
from tollkeeper_server.http1.server.connection_limit import ConnectionLimit
from tollkeeper_server.http1.server.handshake import Handshakes
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.management.chain.chain import request_id

_log = logging.getLogger("tollkeeper.http")
_CUT_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_BUFFER_BYTES = 16 * 1024
_PIECE_BYTES = 64 * 1024
_MANY = 10_000
_COUNTLESS = 1 << 62
MAX_REQUESTS = 4_000
"""How many requests may be under way, over HTTP/2 and HTTP/1.1."""
MAX_REQUESTS_PER_ADDRESS = 1_000
"""Of these, how many of one address."""
BUSY = TollkeeperError(
    Reason.DRAINING, "too many requests of this address are under way; send it again later", retry_after=1
)


class ConsoleListener:
    """Serves on a bound socket: HTTP/2 and HTTP/1.1 in clear text, or with a TLS context both over TLS."""

    def __init__(
        self,
        application: App,
        bound: socket.socket,
        *,
        tls: ssl.SSLContext | None,
        drain_seconds: float,
        limits: TimeLimits | None = None,
        limit: ConnectionLimit | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        """`drain_seconds` is how long requests under way may take once the listener stops."""
        self.app: App = self._serve_request
        self.name = CONSOLE
        self.limits = limits or TimeLimits()
        self.loop: asyncio.AbstractEventLoop
        self.shared: Shared
        self.tasks: set[asyncio.Task[None]] = set()
        """The requests that are being answered."""
        self.bound = bound
        self.buffer = memoryview(bytearray(_BUFFER_BYTES))
        self.limit = limit or ConnectionLimit(None, in_all=_MANY, per_address=_MANY)
        # The connections are counted by `limit`, whatever they speak.
        self.bounds = CallerBounds(ConnectionLimit(None, in_all=_COUNTLESS, per_address=_COUNTLESS))
        self.requests = ConnectionLimit(None, in_all=MAX_REQUESTS, per_address=MAX_REQUESTS_PER_ADDRESS)
        self.refusals = refusals or Refusals()
        self.is_leaving = False
        """Whether connections end with their next answer."""
        self.is_stopped = False
        """Whether nothing more is accepted."""
        self.is_secured = tls is not None
        """Whether TLS is spoken."""
        self._application = application
        self._tls = tls
        self._drain_seconds = drain_seconds
        self._stopped = asyncio.Event()
        self._connections: set[ConsoleConnection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._under_way = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def serve(self) -> None:
        """Serve until told to stop, and until every connection has ended or the drain time has."""
        self.loop = loop = asyncio.get_running_loop()
        self.shared = Shared(loop, self.refusals, self.requests)
        looking = loop.create_task(self._look())
        arrivals = self._arrivals(self._tls)
        acceptor = Acceptor(self.bound, arrivals)
        acceptor.open()
        await self._stopped.wait()
        acceptor.close()
        await arrivals.finish(min(self.limits.quiet, self._drain_seconds))
        await self._drain()
        looking.cancel()
        await asyncio.wait({looking})

    def _arrivals(self, tls: ssl.SSLContext | None) -> Arrivals:
        make = partial(ConsoleConnection, self)
        if tls is None:
            return PlainArrivals(make)
        return Handshakes(
            tls,
            secured=make,
            plain=make,
            seconds=lambda: self.limits.head,
            failed=self.refusals.count_handshake,
            has_room=descriptors.is_for_console,
        )

    def leave(self) -> None:
        """Have every connection end with its next answer. New ones are still accepted."""
        self.is_leaving = True
        for connection in list(self._connections):
            connection.shut()

    async def unused(self) -> None:
        """Return when no request is under way."""
        await self._unused.wait()

    def stop(self, seconds: float | None = None) -> None:
        """Accept nothing more. Requests under way have `seconds` to end, or the drain time."""
        if seconds is not None:
            self._drain_seconds = seconds
        self.is_stopped = True
        self.leave()
        self._stopped.set()

    async def _drain(self) -> None:
        end = self.loop.time() + self._drain_seconds
        for connection in list(self._connections):
            if isinstance(connection.spoken, Http2Connection):
                connection.spoken.part()
        if not await self._emptied(end):
            if self.tasks:
                _log.warning("%d requests did not end in time and are cut off", len(self.tasks))
            for task in list(self.tasks):
                task.cancel()
            if self.tasks:
                await asyncio.wait(self.tasks, timeout=_CUT_SECONDS)
            for connection in list(self._connections):
                connection.close()
            await self._emptied(self.loop.time() + _CUT_SECONDS)
        for connection in list(self._connections):  # a caller that does not read holds nothing up
            connection.abort()
        await self._empty.wait()

    async def _emptied(self, end: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                await self._empty.wait()
        return self._empty.is_set()

    async def _look(self) -> None:
        """End what takes too long."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = self.loop.time()
            for connection in list(self._connections):
                connection.look(now)

    # The side of the connections.

    def opened(self, connection: ConsoleConnection) -> None:
        """Record that a connection is open."""
        self._connections.add(connection)
        self._empty.clear()

    def closed(self, connection: ConsoleConnection) -> None:
        """Record that a connection is closed."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def made(self, connection: CallerConnection) -> None:
        """Record that a connection speaks HTTP/1.1."""

    def lost(self, connection: CallerConnection) -> None:
        """Record that a connection of HTTP/1.1 is closed."""

    def shed(self) -> None:
        """Give answers up that nobody takes, those that have waited longest, until what is held is enough."""
        answers = self.shared.answers
        held = [
            (stream.progress_at, stream.number, connection.spoken, stream)
            for connection in self._connections
            if isinstance(connection.spoken, Http2Connection)
            for stream in connection.spoken.streams
            if stream.held
        ]
        held.sort(key=lambda it: it[:2])
        for _, _, connection, stream in held[:-1]:
            if not answers.are_too_many:
                break
            connection.streams.give_up(stream)

    async def _serve_request(self, scope: Message, receive: Receive, send: Send) -> None:
        self._under_way += 1
        self._unused.clear()
        try:
            if scope["http_version"] == "2":
                await self._application(scope, receive, send)
            else:
                await self._serve_http1(scope, receive, send)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._unused.set()

    async def _serve_http1(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request of HTTP/1.1 in its turn, and no faster than its caller reads.

        Over HTTP/2 the connection does both.
        """
        address = scope["client"][0] if scope["client"] else None
        if not self.requests.admit(address):
            self.refusals.count(Refusal.REQUESTS, address)
            await _send_busy(send)
            return
        try:
            if is_data_path(scope["path"]):
                await self.shared.scheduler.start(self.shared.flow(address))
                await self._application(scope, receive, send)
            else:
                await self._serve_page(address, scope, receive, send)
        finally:
            self.requests.left(address)

    async def _serve_page(self, address: str | None, scope: Message, receive: Receive, send: Send) -> None:
        turn: asyncio.Future[None] = self.loop.create_future()
        page = self.shared.pages.ask(address, lambda: turn.set_result(None))

        async def send_on(message: Message) -> None:
            page.done()
            await _send_in_pieces(send, message)

        try:
            await turn
            await self._application(scope, receive, send_on)
        finally:
            page.done()


async def _send_in_pieces(send: Send, message: Message) -> None:
    body = memoryview(message.get("body", b""))
    while len(body) > _PIECE_BYTES:
        await send({"type": "http.response.body", "body": body[:_PIECE_BYTES], "more_body": True})
        body = body[_PIECE_BYTES:]
        message = message | {"body": body}  # type: ignore[operator]
    await send(message)


async def _send_busy(send: Send) -> None:
    answer = error_response(BUSY, request_id(None))
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    headers += [(b"content-length", b"%d" % len(answer.body)), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
