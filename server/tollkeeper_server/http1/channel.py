"""The loop's side of a connection: bytes in and out, each side made to wait for the other."""

import asyncio
from typing import cast


class Channel(asyncio.BaseProtocol):
    """A transport and its flow control. Once the connection closes, nothing has an effect any more."""

    __slots__ = ("_reading", "_transport", "blocked", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._transport: asyncio.Transport | None = None
        self._reading = True
        self.blocked: asyncio.Future[None] | None = None
        """Done once the peer has taken enough of what was written; None if it has."""

    @property
    def is_open(self) -> bool:
        """Whether the connection is established and not about to close."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self.resume_writing()

    def pause_writing(self) -> None:
        self.blocked = self.loop.create_future()

    def resume_writing(self) -> None:
        blocked, self.blocked = self.blocked, None
        if blocked is not None and not blocked.done():
            blocked.set_result(None)

    def write(self, piece: bytes | memoryview, *more: bytes | memoryview) -> None:
        """Send bytes."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            if more:
                transport.writelines((piece, *more))
            else:
                transport.write(piece)

    def pause_reading(self) -> None:
        """Let the peer wait with what it sends."""
        if self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once, whatever was still to be sent."""
        if self._transport is not None:
            self._transport.abort()
