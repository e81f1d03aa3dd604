"""A connection to the console's port: HTTP/2 or HTTP/1.1, as its first bytes say, or TLS has agreed."""

import asyncio
from typing import Protocol, cast

from tollkeeper_server.domain.shortage import Shortage
from tollkeeper_server.doors.fair_scheduler import Flow
from tollkeeper_server.doors.http2.connection import Http2Connection
from tollkeeper_server.doors.http2.frames import PREFACE
from tollkeeper_server.doors.http2.streams import Owner
from tollkeeper_server.doors.http2.upgrade import read_offer
from tollkeeper_server.doors.refusals import Refusal
from tollkeeper_server.http1 import descriptors
from tollkeeper_server.http1.server.connection import CallerConnection
from tollkeeper_server.http1.server.connection import Owner as Http1Owner
from tollkeeper_server.http1.server.connection_limit import ConnectionLimit
from tollkeeper_server.http1.server.plain import PlainConnection
from tollkeeper_server.http1.server.refusal import refusal
from tollkeeper_server.http1.server.strict import NOT_HTTP
from tollkeeper_server.telemetry.shortages import shortages

_HTTP2 = "h2"  # its name in TLS (RFC 9113, 3.1)
# So much may come before the caller's turn. What is read at once comes on top.
_FIRST_BYTES = 4 * 1024


class Listener(Owner, Http1Owner, Protocol):
    """The listener that accepted a connection (`ConsoleListener`)."""

    limit: ConnectionLimit
    is_leaving: bool
    is_stopped: bool
    buffer: memoryview
    is_secured: bool

    def opened(self, connection: "ConsoleConnection") -> None: ...
    def closed(self, connection: "ConsoleConnection") -> None: ...


class ConsoleConnection(asyncio.BufferedProtocol):
    """Passes everything on to the connection of the protocol that its caller speaks.

    That one is made in the caller's turn: for many at once it would take long. All connections read into one
    buffer, so that none holds one of its own.
    """

    __slots__ = (
        "_address", "_admitted", "_begun", "_first", "_flow", "_listener", "_transport", "_waits", "spoken",
    )  # fmt: skip

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._address: str | None = None
        self._flow: Flow
        self._admitted = False
        self._waits = False
        self._first = bytearray()
        self.spoken: Http2Connection | CallerConnection | None = None
        """The connection of the protocol, once it is known."""
        self._begun = listener.loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if isinstance(peer, tuple) else None
        if not descriptors.is_for_console(transport.get_extra_info("socket").fileno()):
            shortages.note(Shortage.DESCRIPTORS, "a connection to the console was refused")
            self._transport.abort()
            return
        if not self._listener.limit.admit(self._address):
            self._listener.shared.refusals.count(Refusal.CONNECTIONS, self._address)
            self._transport.abort()
            return
        self._admitted = True
        self._flow = self._listener.shared.flow(self._address)
        self._listener.opened(self)
        if self._listener.is_secured:
            self._begin_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._admitted:
            return
        if self.spoken is not None:
            self.spoken.connection_lost(exc)
        if isinstance(self.spoken, Http2Connection):
            self._listener.shared.scheduler.add(self._flow, self._let_go)
        else:
            self._let_go()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read to. What is read is passed on before the next read."""
        if isinstance(self.spoken, CallerConnection):
            return self.spoken.get_buffer(sizehint)
        return self._listener.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        if isinstance(self.spoken, CallerConnection):
            self.spoken.buffer_updated(nbytes)
        elif self.spoken is not None:
            self.spoken.data_received(self._listener.buffer[:nbytes])
        elif self._admitted and self._transport is not None:
            self._first += self._listener.buffer[:nbytes]
            if len(self._first) >= _FIRST_BYTES:
                self._transport.pause_reading()
            self._begin_soon()

    def pause_writing(self) -> None:
        if self.spoken is not None:
            self.spoken.pause_writing()

    def resume_writing(self) -> None:
        if self.spoken is not None:
            self.spoken.resume_writing()

    def look(self, now: float) -> None:
        """End what has taken too long by now, a time of the loop."""
        if isinstance(self.spoken, Http2Connection):
            self.spoken.look(now)
        elif self.spoken is None and now - self._begun > self._listener.limits.head:
            self._listener.shared.refusals.count(Refusal.SLOW_HEAD, self._address)
            self.abort()

    def shut(self) -> None:
        """End once no request is under way."""
        if self.spoken is not None:
            self.spoken.shut()
        elif self._listener.is_stopped and not self._waits:
            self.close()

    def close(self) -> None:
        """Close once everything is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _http2(self) -> Http2Connection:
        assert self._transport is not None
        peer = self._transport.get_extra_info("peername")
        scheme = "http" if self._transport.get_extra_info("ssl_object") is None else "https"
        return Http2Connection(self._listener, peer[:2] if isinstance(peer, tuple) else None, scheme)

    def _let_go(self) -> bool:
        """Let go of a connection that has closed."""
        if isinstance(self.spoken, Http2Connection):
            self.spoken.let_go()
        self.spoken = None
        self._listener.limit.left(self._address)
        self._listener.closed(self)
        return False

    def _begin_soon(self) -> None:
        if not self._waits:
            self._waits = True
            self._listener.shared.scheduler.add(self._flow, self._begin)

    def _begin(self) -> bool:
        """Take what has come first, in turn."""
        self._waits = False
        if self._transport is not None and not self._transport.is_closing():
            first = bytes(self._first)
            if len(first) >= _FIRST_BYTES:
                self._transport.resume_reading()
            ssl = self._transport.get_extra_info("ssl_object")
            if ssl is not None:
                is_http2 = ssl.selected_alpn_protocol() == _HTTP2
                self._speak(self._http2() if is_http2 else CallerConnection(self._listener), first)
            elif self._listener.is_secured:
                self._speak(PlainConnection(self._listener), first)
            else:
                self._begin_clear(first)
            if self.spoken is None and self._listener.is_stopped:
                self.close()
        return False

    def _begin_clear(self, first: bytes) -> None:
        """Take a caller's first bytes in clear text."""
        if first.startswith(PREFACE[: len(first)]):
            if len(first) >= len(PREFACE):
                self._speak(self._http2(), first)
        elif not self._upgrades(first):
            self._speak(CallerConnection(self._listener), first)

    def _speak(self, connection: Http2Connection | CallerConnection, first: bytes) -> None:
        """Give the connection what has come first, and what will come."""
        assert self._transport is not None
        self.spoken = connection
        self._first.clear()
        connection.connection_made(self._transport)
        if self._listener.is_leaving:
            connection.shut()
        if isinstance(connection, Http2Connection):
            connection.data_received(first)
            return
        while first and self.spoken is not None:
            buffer = connection.get_buffer(len(first))
            piece, first = first[: len(buffer)], first[len(buffer) :]
            buffer[: len(piece)] = piece
            connection.buffer_updated(len(piece))

    def _upgrades(self, first: bytes) -> bool:
        """Take an offer to go on with HTTP/2 (RFC 7540, 3.2). Return whether there is one."""
        assert self._transport is not None
        offer = read_offer(first)
        if offer is None:
            return False
        connection = self._http2()
        try:
            connection.upgrade(self._transport, offer.settings(), offer.head)
        except ValueError:
            for piece in refusal(NOT_HTTP):
                self._transport.write(piece)
            self._transport.close()
            return True
        self.spoken = connection
        if self._listener.is_leaving:
            connection.shut()
        self._first.clear()
        connection.data_received(offer.rest)
        return True
