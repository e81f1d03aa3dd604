"""One request and its answer, as ASGI sees them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from tollkeeper_server.dataplane.caller import EXTENSION
from tollkeeper_server.dataplane.exchange import Message, Receive, Send
from tollkeeper_server.http1.server.head import CHUNKED, CLOSE, encode_head

App = Callable[[Message, Receive, Send], Awaitable[None]]
"""An ASGI 3 application."""

_log = logging.getLogger("tollkeeper.http")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_DISCONNECT = {"type": "http.disconnect"}
# So much of a body is held before the caller is made to wait.
_HELD_BYTES = 256 * 1024
# Below this, copying a body behind its head costs less than handing over two pieces.
_JOINED_BYTES = 16 * 1024


class Line(Protocol):
    """The connection a request came in on."""

    loop: asyncio.AbstractEventLoop
    blocked: asyncio.Future[None] | None
    """What is done once the caller has taken enough of what was sent; None if it has."""
    tasks: set[asyncio.Task[None]]
    """The requests that are being answered; each leaves by itself."""

    def is_last(self) -> bool:
        """Tells whether the connection closes after the answer under way."""

    def write(self, *pieces: bytes) -> None:
        """Sends bytes."""

    def pause_reading(self) -> None:
        """Lets the caller wait with what it sends."""

    def resume_reading(self) -> None:
        """Reads on."""

    def ended(self, *, keep: bool) -> None:
        """Takes note that the answer is whole; unless `keep`, no other follows."""

    def broke(self, *, reset: bool) -> None:
        """Takes note that the answer will not become whole. `reset`: its end would look like its end."""


class Call:
    """One request. The parser's side feeds it, the application's side is `receive` and `send`.

    It is also the `Caller` of the data plane.
    """

    __slots__ = (
        "_body_read", "_body_told", "_chunked", "_expects", "_gone", "_head", "_keep", "_left", "_line",
        "_pieces", "_size", "_started", "_waiter", "_when_gone", "finished", "headers_checked", "more_body",
        "scope", "task",
    )  # fmt: skip

    def __init__(
        self, line: Line, scope: Message, *, keep: bool, expects: bool, headers_checked: bool
    ) -> None:
        """`keep`: the connection may serve others afterwards. `expects`: the caller waits for a go-ahead."""
        self._line = line
        self.task: asyncio.Task[None]
        self.scope = scope
        scope["extensions"] = {EXTENSION: self}
        self.headers_checked = headers_checked
        self._keep = keep
        self._expects = expects
        self._pieces: list[bytes] = []
        self._size = 0
        self._body_read = False
        self._body_told = False
        self._waiter: asyncio.Future[None] | None = None
        self._when_gone: Callable[[], None] | None = None
        self._gone = False
        self._head = b""
        self._started = False
        self._chunked = False
        self._left: int | None = None
        self.more_body = True
        """Whether more of the request's body is to come."""
        self.finished = False
        """Whether the answer has ended."""

    @property
    def answered(self) -> bool:
        """Whether the answer has begun."""
        return self._started

    async def run(self, app: App) -> None:
        """Has the application answer."""
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:  # noqa: BLE001 - the outermost frame: the caller's connection closes
            _log.exception("a request failed")
        finally:
            del self.scope  # which has this among its extensions: a circle, left to the garbage collector
            self._when_gone = None
            self._line.tasks.discard(self.task)
            if not self.finished:
                self.finished = True
                self._flush()
                if not self._gone:  # else nobody is there, or was told already why
                    self._line.broke(reset=self._started and self._left is None and not self._chunked)

    # What the connection says.

    def feed(self, piece: bytes) -> None:
        """Takes a part of the request's body."""
        if self.finished:
            return
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > _HELD_BYTES:
            self._line.pause_reading()
        self._wake()

    def feed_end(self) -> None:
        """Takes the end of the request's body."""
        self.more_body = False
        self._wake()

    def leave(self) -> None:
        """Takes note that the caller has left."""
        self._gone = True
        self._head = b""
        self._wake()
        if self._when_gone is not None and not self.finished:
            self._when_gone()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    # What the data plane asks.

    def whole_body(self) -> bytes | None:
        """Takes the request's body if all of it is there and nothing of it was read; else None."""
        if self.more_body or self._body_read:
            return None
        self._body_read = self._body_told = True
        return self._take()

    def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Sends all of an answer at once."""
        if not self._gone:
            self._start(status, headers)
            self._send_body(body, more=False)

    def write_part(self, part: bytes) -> bool:
        """Sends a part of the answer's body at once; tells whether the caller takes more for now."""
        line = self._line
        if self._chunked and part and not (self._head or self._gone or self.finished):
            line.write(b"%x\r\n%b\r\n" % (len(part), part))
        elif part and not self._gone:
            self._send_body(part, more=True)
        return line.blocked is None

    async def ready(self) -> None:
        """Returns when the caller takes more."""
        blocked = self._line.blocked
        if blocked is not None:
            await asyncio.shield(blocked)

    def when_gone(self, call: Callable[[], None] | None) -> None:
        """Has `call` called if the caller leaves before the answer has ended; None calls it off."""
        self._when_gone = call
        if call is not None and self._gone:
            call()

    # ASGI.

    async def receive(self) -> Message:
        """Returns the next part of the request's body, or that the caller has left."""
        if self._expects:
            self._expects = False
            if not self._started and self.more_body and not self._gone:
                self._line.write(_CONTINUE)
        while not (self._gone or self.finished):
            if self._pieces or not (self.more_body or self._body_told):
                self._body_read = True
                self._body_told = not self.more_body
                return {"type": "http.request", "body": self._take(), "more_body": self.more_body}
            self._waiter = waiter = self._line.loop.create_future()
            await waiter
        return _DISCONNECT

    def _take(self) -> bytes:
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if self._size > _HELD_BYTES:
            self._line.resume_reading()
        self._size = 0
        return body

    async def send(self, message: Message) -> None:
        """Sends the head of the answer, or a part of its body; waits while the caller takes no more."""
        await self.ready()
        if self._gone:
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], message["headers"])
            # The head goes out with the body's first part, if that comes at once; else it does not wait.
            self._line.loop.call_soon(self._flush)
        else:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        if self._started:
            raise RuntimeError("the answer has begun already")
        version, method = self.scope["http_version"], self.scope["method"]
        length: int | None = None
        closes = False
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"connection" and value == b"close":
                closes = True
        more: list[bytes] = []
        if method == "HEAD" or status in {204, 304}:
            self._left = -1
        elif length is not None:
            self._left = length
        elif version == "1.1":
            self._chunked = True
            more.append(CHUNKED)
        else:
            self._keep = False  # what has no length ends with the connection (RFC 9112, 6.3)
        self._keep = self._keep and not closes and not self._line.is_last()
        if not (self._keep or closes):
            more.append(CLOSE)
        self._head = encode_head(status, headers, *more)
        self._started = True

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head:
            self._line.write(head)

    def _send_body(self, body: bytes, *, more: bool) -> None:
        if self.finished or not self._started:
            raise RuntimeError("a part of a body came before the answer's head, or after its end")
        head, self._head = self._head, b""
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            self._line.write(head + chunk if more else head + chunk + b"0\r\n\r\n")
        elif self._left == -1:
            if head:
                self._line.write(head)
        else:
            if self._left is not None:
                self._left -= len(body)
                if self._left < 0 or (self._left and not more):
                    raise RuntimeError("the answer's body is not as long as its head says")
            if len(body) < _JOINED_BYTES:
                self._line.write(head + body)
            else:
                self._line.write(head, body)
        if not more:
            self.finished = True
            self._wake()
            self._line.ended(keep=self._keep)
