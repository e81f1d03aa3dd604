"""A caller's connection: bytes come in and go out, and it ends when it should."""

import asyncio
import select
import socket
import struct
from typing import Protocol, cast

from tollkeeper_server.http1.deadline import Deadline
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.http1.server.parse import RequestParser
from tollkeeper_server.http1.server.queue import Application, RequestQueue
from tollkeeper_server.http1.server.refusal import late_head

# How long the loop may take to read what has come, before a connection that seems idle is looked at again.
_MOMENT = 0.05


class Listener(Application, Protocol):
    """The listener that accepts connections."""

    limits: TimeLimits

    def made(self, connection: "CallerConnection") -> None:
        """Record that a connection is open."""

    def lost(self, connection: "CallerConnection") -> None:
        """Record that a connection is closed."""


class CallerConnection(asyncio.Protocol):
    """Speaks HTTP/1.1, and nothing else, whatever a request offers to upgrade to.

    The parser makes requests of the bytes, the queue has them answered. While no request is under way, the
    deadline is when the connection is closed.
    """

    __slots__ = (
        "_deadline", "_listener", "_parser", "_queue", "_reading", "_transport", "blocked", "client", "loop"
    )  # fmt: skip

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.loop = listener.loop
        self._transport: asyncio.Transport | None = None
        self._reading = True
        self.blocked: asyncio.Future[None] | None = None
        self.client: tuple[str, int] | None = None
        self._deadline = Deadline(self.loop, self._expire)
        self._queue = RequestQueue(self, listener)
        self._parser = RequestParser(self._queue)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.client = peer[:2] if peer else None
        self._deadline.give(self._listener.limits.head)
        self._listener.made(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Record that the caller has left."""
        self._transport = None
        self._parser.stop()
        self._deadline.close()
        self.resume_writing()
        self._queue.leave()
        # They refer to this one: left as they are, each connection would wait for the garbage collector.
        del self._queue, self._parser
        self._listener.lost(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        parser = self._parser
        was_in_head = parser.in_head
        error = parser.feed(data)
        if error is not None:
            self._queue.refuse(error)
        elif parser.in_head and not was_in_head:
            # A head has its time from its first piece, but the first head from connecting.
            queue = self._queue
            if queue.current is None and queue.latest is not None:
                self._deadline.give(self._listener.limits.head)

    def pause_writing(self) -> None:
        """Let answers wait."""
        self.blocked = self.loop.create_future()

    def resume_writing(self) -> None:
        """Let answers go on."""
        writable, self.blocked = self.blocked, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def write(self, *pieces: bytes) -> None:
        """Send bytes, unless the caller has left."""
        if self._transport is not None and not self._transport.is_closing():
            if len(pieces) == 1:
                self._transport.write(pieces[0])
            else:
                self._transport.writelines(pieces)

    def pause_reading(self) -> None:
        """Let the caller wait with what it sends."""
        if self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def rest(self) -> None:
        """Wait for the next request: none is under way."""
        limits = self._listener.limits
        if self._parser.in_head:
            self._deadline.give(limits.head)
        elif self._queue.is_shut:  # the last answer had begun before, and did not say that it was the last
            self._deadline.give(limits.quiet)
        else:
            self._deadline.give(limits.keep_alive)
        if not self._reading:
            self.resume_reading()

    def shut(self) -> None:
        """End with the current answer, or the next, or if none is asked for in a while.

        Closing while a caller may take the connection to be kept would lose what is just being asked.
        """
        queue = self._queue
        queue.is_shut = True
        if queue.current is None and not self._parser.in_head:
            left = self._deadline.at - self.loop.time()
            self._deadline.give(min(self._listener.limits.quiet, left))

    def _expire(self) -> None:
        if self._queue.current is not None:
            return  # `rest` moves the deadline
        if self._parser.is_stopped:
            self.cut()  # it lingered for long enough
        elif self._parser.in_head:
            self._parser.stop()
            self._queue.refuse(late_head(self._listener.limits.head))
        elif self._has_unread():
            self._deadline.give(_MOMENT)
        else:
            self.close()

    def _has_unread(self) -> bool:
        """Return whether the loop has not read all that has come: the connection is in use again."""
        if self._transport is None or self._transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close once everything is sent."""
        self._parser.stop()
        self._deadline.close()
        if self._transport is not None:
            self._transport.close()

    def linger(self) -> None:
        """Close once the caller does or has had the time to read its answer. Drop what it still sends."""
        self._parser.stop()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()
            self.resume_reading()
            self._deadline.give(self._listener.limits.linger)

    def reset(self) -> None:
        """Close so that the caller learns that the answer is not whole."""
        if self._transport is not None:
            connected: socket.socket = self._transport.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.cut()

    def cut(self) -> None:
        """Close at once, whatever was still to be sent."""
        if self._transport is not None:
            self._transport.abort()
