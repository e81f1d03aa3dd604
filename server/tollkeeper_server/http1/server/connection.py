"""A caller's connection: bytes come in and go out, and it ends when it should."""

import asyncio
import select
import socket
import struct
from typing import Protocol

from tollkeeper_server.http1.channel import Channel
from tollkeeper_server.http1.deadline import Deadline
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.http1.server.parse import RequestParser
from tollkeeper_server.http1.server.queue import RequestQueue, Server
from tollkeeper_server.http1.server.refusal import late_head

# How long the loop may take to read what has come, before a connection that seems idle is looked at again.
_MOMENT = 0.05


class Owner(Server, Protocol):
    """The listener that accepted a connection (`DataListener`)."""

    limits: TimeLimits

    def made(self, connection: "CallerConnection") -> None: ...
    def lost(self, connection: "CallerConnection") -> None: ...


class CallerConnection(Channel):
    """Speaks HTTP/1.1, and nothing else, whatever a request offers to upgrade to.

    The parser makes requests of the bytes, the queue has them answered. While no request is under way, the
    deadline is when the connection is closed.
    """

    __slots__ = ("_deadline", "_parser", "_queue", "client", "listener")

    def __init__(self, listener: Owner) -> None:
        super().__init__(listener.loop)
        self.listener = listener
        self.client: tuple[str, int] | None = None
        """The caller's address and port, if they are known."""
        self._deadline = Deadline(self.loop, self._expire)
        self._queue = RequestQueue(self, listener)
        self._parser = RequestParser(self._queue.begin)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.client = peer[:2] if peer else None
        self._deadline.give(self.listener.limits.head)
        self.listener.made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._parser.stop()
        self._deadline.close()
        self._queue.leave()
        # They refer to this one: left as they are, each connection would wait for the garbage collector.
        del self._queue, self._parser
        self.listener.lost(self)

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        was_in_head = parser.in_head
        error = parser.feed(data)
        if error is not None:
            self._queue.refuse(error)
        elif parser.in_head and not was_in_head:
            # A head has its time from its first piece, but the first head from connecting.
            queue = self._queue
            if queue.current is None and queue.latest is not None:
                self._deadline.give(self.listener.limits.head)

    def rest(self) -> None:
        """Wait for the next request: none is under way."""
        limits = self.listener.limits
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
        self._queue.is_shut = True
        if self._queue.current is None and not self._parser.in_head:
            left = self._deadline.at - self.loop.time()
            self._deadline.give(min(self.listener.limits.quiet, left))

    def _expire(self) -> None:
        if self._queue.current is not None:
            return  # `rest` moves the deadline
        if self._parser.is_stopped:
            self.abort()  # it lingered for long enough
        elif self._parser.in_head:
            self._parser.stop()
            self._queue.refuse(late_head(self.listener.limits.head))
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
            self._deadline.give(self.listener.limits.linger)

    def reset(self) -> None:
        """Close so that the caller learns that the answer is not whole."""
        if self._transport is not None:
            connected: socket.socket = self._transport.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.abort()
