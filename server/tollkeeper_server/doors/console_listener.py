"""The console listener: Hypercorn, HTTP/2 and HTTP/1.1."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import cast

import h2.exceptions
from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Event, RawData, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.events import InformationalResponse
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.typing import ASGIFramework, HTTPScope, LifespanState, Scope
from hypercorn.utils import wrap_app

from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.http1.server.listener import BACKLOG

_CUT_SECONDS = 5.0
# How long the connection may take to learn that an answer has ended.
_MOMENT = 0.02
_CONTINUE = b"HTTP/1.1 100 "


class _Connection(TCPServer):
    """Hypercorn's connection, which otherwise stays for the keep-alive time after its caller has left.

    It also tells a caller to go on only when somebody reads the body; Hypercorn does before anybody is asked.
    """

    _left = False
    _go_ahead: RawData | None = None

    async def protocol_send(self, event: Event) -> None:
        """Do what the protocol says, but do not wait for requests of a caller that has left."""
        if isinstance(event, RawData) and event.data.startswith(_CONTINUE):
            self._go_ahead = event
        elif not (self._left and isinstance(event, Updated) and event.idle):
            await super().protocol_send(event)

    async def go_ahead(self, scope: HTTPScope) -> None:
        """Tell the caller to send the body, if it waits for that. Over HTTP/2 it must be known to wait."""
        event, self._go_ahead = self._go_ahead, None
        if event is not None:
            await super().protocol_send(event)
        protocol = self.protocol.protocol
        if isinstance(protocol, H2Protocol):
            numbers = [
                number for number, it in protocol.streams.items() if getattr(it, "scope", None) is scope
            ]
            for number in numbers:
                await protocol.stream_send(InformationalResponse(number, [], 100))

    def answered(self) -> None:
        """Record that an answer has begun: it is too late to go ahead."""
        self._go_ahead = None

    async def _read_data(self) -> None:
        try:
            await super()._read_data()
        finally:
            self._left = True
            await self.idle_task.stop()


_of_request: ContextVar[_Connection] = ContextVar("the connection of a request")


class ConsoleListener:
    """Serves on a bound socket: h2c and HTTP/1.1, or with a certificate both over TLS.

    It does what `hypercorn.asyncio.serve` does, but for the end: that closes idle connections at once, and
    refuses what is being asked on those of HTTP/2.
    """

    def __init__(
        self,
        application: ASGIFramework,
        bound: socket.socket,
        *,
        certificate: tuple[Path, Path] | None,
        drain_seconds: float,
        quiet: float = TimeLimits.quiet,
    ) -> None:
        """`quiet` is how many seconds a connection may go without a request once the listener stops."""
        config = Config()
        config.accesslog = None
        config.errorlog = None
        config.include_date_header = False
        config.include_server_header = False
        config.keep_alive_timeout = TimeLimits.keep_alive
        config.keep_alive_max_requests = 1 << 62  # its default of 1,000 cuts busy clients off
        config.h2_max_concurrent_streams = 1000
        if certificate is not None:
            config.certfile, config.keyfile = (str(path) for path in certificate)
        self.bound = bound
        self._config = config
        self._application = application
        self._drain_seconds = drain_seconds
        self._quiet = quiet
        self._context = WorkerContext(None)
        self._stopped = asyncio.Event()
        self._leaving = False
        self._connections: dict[asyncio.Task[None], TCPServer] = {}
        self._under_way = 0
        self._unused = asyncio.Event()
        self._unused.set()
        self._used_at = 0.0

    async def serve(self) -> None:
        """Serve until told to stop, and until every connection has ended or the drain time has."""
        loop, config = asyncio.get_running_loop(), self._config
        app = wrap_app(cast("ASGIFramework", self._serve_request), config.wsgi_max_body_size, "asgi")
        state: LifespanState = {}
        lifespan = Lifespan(app, config, loop, state)
        living = loop.create_task(lifespan.handle_lifespan())
        await lifespan.wait_for_startup()

        async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connection = _Connection(app, loop, config, self._context, state, reader, writer)
            self._connections[task] = connection
            _of_request.set(connection)  # the tasks of its requests inherit it
            task.add_done_callback(self._connections.pop)
            # A task that ends as cancelled is a fault to asyncio's streams before Python 3.12, which log it.
            with contextlib.suppress(asyncio.CancelledError):
                await connection

        server = await asyncio.start_server(
            serve_connection,
            sock=self.bound,
            backlog=BACKLOG,
            ssl=config.create_ssl_context() if config.ssl_enabled else None,
            ssl_handshake_timeout=config.ssl_handshake_timeout if config.ssl_enabled else None,
        )
        await self._stopped.wait()
        server.close()
        await self._drain()
        await lifespan.wait_for_shutdown()
        living.cancel()
        await asyncio.wait({living})

    def leave(self) -> None:
        """Have every connection end with its next answer. New ones are still accepted."""
        self._leaving = True
        self._used_at = asyncio.get_running_loop().time()

    async def unused(self) -> None:
        """Return when no request is under way."""
        await self._unused.wait()

    def stop(self, seconds: float | None = None) -> None:
        """Accept nothing more. Requests under way have `seconds` to end, or the drain time."""
        if seconds is not None:
            self._drain_seconds = seconds
        self.leave()
        self._stopped.set()

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._drain_seconds
        while self._connections and loop.time() < end:
            left = self._quiet
            if not self._under_way:
                left += self._used_at - loop.time()
                if left <= 0:
                    break
            await asyncio.wait(self._connections, timeout=min(left, max(end - loop.time(), 0)))
        self._part()
        await self._context.terminated.set()  # closes what is idle, and the rest after its answer
        if self._connections:
            await asyncio.wait(self._connections, timeout=max(end - loop.time(), 0))
        for task in list(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=_CUT_SECONDS)
        for connection in self._connections.values():  # a caller that does not read holds nothing up
            connection.writer.transport.abort()

    async def _serve_request(
        self,
        scope: Scope,
        receive: Callable[[], Awaitable[object]],
        send: Callable[[object], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)  # type: ignore[arg-type]  # the same ASGI, typed apart
            return
        self._under_way += 1
        self._unused.clear()
        try:
            receive, send = self._watched(scope, receive, send)
            await self._application(scope, receive, send)  # type: ignore[arg-type]  # as above
        finally:
            self._under_way -= 1
            self._used_at = asyncio.get_running_loop().time()
            if not self._under_way:
                self._unused.set()
            if self._leaving and scope["http_version"] == "2":
                asyncio.get_running_loop().call_later(_MOMENT, self._part)

    def _part(self) -> None:
        """Tell the idle callers on HTTP/2 that a stream they open now is not served.

        The others are told later: some clients give up their open streams when they are told.
        """
        for connection in self._connections.values():
            wrapper: ProtocolWrapper | None = getattr(connection, "protocol", None)  # it is none at first
            protocol = wrapper.protocol if wrapper is not None else None
            if isinstance(protocol, H2Protocol) and protocol.idle and not connection.send_lock.locked():
                with contextlib.suppress(h2.exceptions.ProtocolError):
                    protocol.connection.close_connection()
                connection.writer.write(protocol.connection.data_to_send())

    def _watched(
        self,
        scope: HTTPScope,
        receive: Callable[[], Awaitable[object]],
        send: Callable[[object], Awaitable[None]],
    ) -> tuple[Callable[[], Awaitable[object]], Callable[[object], Awaitable[None]]]:
        """Return a `receive` that tells a caller to go ahead, and a `send` that ends a connection of HTTP/1.1
        with the answer once the listener leaves.
        """
        is_http2 = scope["http_version"] == "2"
        waits = not is_http2 or (b"expect", b"100-continue") in scope["headers"]
        if not waits:
            return receive, send
        connection = _of_request.get()

        async def receive_watched() -> object:
            nonlocal waits
            if waits:
                waits = False
                await connection.go_ahead(scope)
            return await receive()

        async def send_watched(message: object) -> None:
            nonlocal waits
            assert isinstance(message, dict)
            if message["type"] == "http.response.start":
                waits = False
                connection.answered()
                if self._leaving and scope["http_version"] == "1.1":
                    headers = [header for header in message["headers"] if header[0].lower() != b"connection"]
                    message = message | {"headers": [*headers, (b"connection", b"close")]}
            await send(message)

        return receive_watched, send_watched
