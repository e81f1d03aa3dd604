"""One request and its answer, as ASGI sees them."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol
from urllib.parse import unquote

from tollkeeper_server.dataplane.caller import EXTENSION, LISTENER, MAX_HEADER_BYTES, App, Message
from tollkeeper_server.http1.framing import CHUNKED, CLOSE, JOINED_BYTES, LAST_CHUNK, encode_head
from tollkeeper_server.http1.server.held import UNCOUNTED_BYTES
from tollkeeper_server.http1.server.message import RequestHead
from tollkeeper_server.snapshot.model import Header

_log = logging.getLogger("tollkeeper.http")
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_DISCONNECT = {"type": "http.disconnect"}
_NO_BODY = -1
# What a piece takes beyond its bytes: chunks may be tiny.
_PIECE_BYTES = 64


class Line(Protocol):
    """The connection on which a request came in (`Channel`)."""

    loop: asyncio.AbstractEventLoop
    blocked: asyncio.Future[None] | None
    is_known: bool
    scheme: str

    def write(self, piece: bytes, *more: bytes) -> None: ...
    def hold(self) -> None: ...
    def read_on(self) -> None: ...


class Turns(Protocol):
    """The requests of the connection, in their order (`RequestQueue`). `tasks` are those of the listener."""

    tasks: set[asyncio.Task[None]]

    def is_last(self) -> bool: ...
    def ended(self, *, keep: bool) -> None: ...
    def broke(self, *, reset: bool) -> None: ...


class RequestCycle:
    """One request. The parser feeds it; the application has `receive` and `send`.

    It is also the `Caller` of the data plane.
    """

    __slots__ = (
        "_body_read", "_body_told", "_chunked", "_connection", "_expects", "_gone", "_head", "_keep", "_left",
        "_pieces", "_queue", "_waiter", "_when_gone", "answered", "finished", "headers_checked", "is_full",
        "is_known", "more_body", "scope", "size", "task",
    )  # fmt: skip

    def __init__(
        self, connection: Line, queue: Turns, head: RequestHead, client: tuple[str, int] | None, listener: str
    ) -> None:
        """Take the caller's address, if it is known, and the listener's name."""
        self._connection = connection
        self._queue = queue
        self.is_known = connection.is_known
        self.task: asyncio.Task[None]
        path = head.path.decode("latin-1")
        self.scope: Message = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": head.version,
            "method": head.method,
            "scheme": connection.scheme,
            "path": unquote(path) if "%" in path else path,
            "raw_path": head.path,
            "query_string": head.query,
            "root_path": "",
            "headers": head.headers,
            "client": client,
            "extensions": {EXTENSION: self},
            LISTENER: listener,
        }
        # The reader of heads lets no control character pass in a name or a value.
        self.headers_checked = head.size <= MAX_HEADER_BYTES
        self._keep = head.keeps
        self._expects = head.expects
        self._pieces: list[bytes] = []
        self.size = 0
        """How much memory the parts of the body take that nobody has taken, in bytes."""
        self.is_full = False
        """Whether these are as much as may wait."""
        self._body_read = False
        self._body_told = False
        self._waiter: asyncio.Future[None] | None = None
        self._when_gone: Callable[[], None] | None = None
        self._gone = False
        self._head = b""
        self._chunked = False
        # Bytes of the answer's body to come, `_NO_BODY` if it has none; None if its length is not known.
        self._left: int | None = None
        self.more_body = True
        """Whether more of the request's body is to come."""
        self.answered = False
        """Whether the answer has begun."""
        self.finished = False
        """Whether the answer has ended."""

    async def run(self, app: App) -> None:
        """Have the application answer."""
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:  # noqa: BLE001 - the outermost frame: the caller's connection closes
            _log.exception("a request failed")
        finally:
            # The scope refers to this: the circle would be left to the garbage collector.
            del self.scope
            self._when_gone = None
            self._queue.tasks.discard(self.task)
            if not self.finished:
                self.finished = True
                self._flush()
                if not self._gone:  # otherwise the caller has left, or has been told why
                    self._queue.broke(reset=self.answered and self._left is None and not self._chunked)

    # The side of the parser and the connection.

    def feed(self, piece: bytes) -> None:
        """Take a part of the request's body."""
        if self.finished:
            return
        self._pieces.append(piece)
        self.size += len(piece) + _PIECE_BYTES
        if self.size > UNCOUNTED_BYTES:
            self._connection.hold()
        if self._waiter is not None:
            self._wake()

    def feed_end(self) -> None:
        """Take the end of the request's body."""
        self.more_body = False
        if self._waiter is not None:
            self._wake()

    def leave(self) -> None:
        """Record that the caller has left."""
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

    # The side of the data plane: `Caller`.

    def show(self) -> None:
        self.is_known = self._connection.is_known = True

    def whole_body(self) -> bytes | None:
        if self.more_body or self._body_read:
            return None
        self._body_read = self._body_told = True
        return self._take()

    def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        if self._gone:
            return
        self._start(status, headers)
        if self._left == len(body) < JOINED_BYTES:  # as nearly all: `_send_body` does the same in more steps
            head, self._head = self._head, b""
            self._left = 0
            self._connection.write(head + body)
            self._end()
        else:
            self._send_body(body, more=False)

    def write_part(self, part: bytes) -> bool:
        connection = self._connection
        # The common case, once for each event of a stream: `_send_body` would do the same in more steps.
        if self._chunked and part and not (self._head or self._gone or self.finished):
            connection.write(b"%x\r\n%b\r\n" % (len(part), part))
        elif part and not self._gone:
            self._send_body(part, more=True)
        return connection.blocked is None

    async def ready(self) -> None:
        blocked = self._connection.blocked
        if blocked is not None:
            await asyncio.shield(blocked)

    def when_gone(self, call: Callable[[], None] | None) -> None:
        self._when_gone = call
        if call is not None and self._gone:
            call()

    # The side of the application (ASGI).

    async def receive(self) -> Message:
        """Return the next part of the request's body, or a message that no more will come."""
        if self._expects:
            self._expects = False
            if not self.answered and self.more_body and not self._gone:
                self._connection.write(_CONTINUE)
        while not (self._gone or self.finished):
            if self._pieces or not (self.more_body or self._body_told):
                self._body_read = True
                # The connection may read on when this is taken: more of the body comes, and its end.
                body = self._take()
                more = self.more_body or bool(self._pieces)
                self._body_told = not more
                return {"type": "http.request", "body": body, "more_body": more}
            self._waiter = waiter = self._connection.loop.create_future()
            await waiter
        return _DISCONNECT

    def _take(self) -> bytes:
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        size, self.size = self.size, 0
        if size > UNCOUNTED_BYTES:
            self.is_full = False
            self._connection.read_on()
        return body

    async def send(self, message: Message) -> None:
        """Send the head of the answer, or a part of its body. Wait while the caller takes no more."""
        await self.ready()
        if self._gone:
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], message["headers"])
            # The head goes out with the body's first part, if that comes at once; else it does not wait.
            self._connection.loop.call_soon(self._flush)
        else:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))

    def _start(self, status: int, headers: list[Header]) -> None:
        if self.answered:
            raise RuntimeError("the answer has begun already")
        version, method = self.scope["http_version"], self.scope["method"]
        values = dict(headers)
        length = int(values[b"content-length"]) if b"content-length" in values else None
        closes = b"connection" in values and any(
            name == b"connection" and value == b"close" for name, value in headers
        )
        more: list[bytes] = []
        if method == "HEAD" or status in {204, 304}:
            self._left = _NO_BODY
        elif length is not None:
            self._left = length
        elif version == "1.1":
            self._chunked = True
            more.append(CHUNKED)
        else:
            self._keep = False  # what has no length ends with the connection (RFC 9112, 6.3)
        self._keep = self._keep and not closes and not self._queue.is_last()
        if not (self._keep or closes):
            more.append(CLOSE)
        self._head = encode_head(status, headers, *more)
        self.answered = True

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head:
            self._connection.write(head)

    def _send_body(self, body: bytes, *, more: bool) -> None:
        if self.finished or not self.answered:
            raise RuntimeError("a part of a body came before the answer's head, or after its end")
        head, self._head = self._head, b""
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            self._connection.write(head + chunk if more else head + chunk + LAST_CHUNK)
        elif self._left == _NO_BODY:
            if head:
                self._connection.write(head)
        else:
            if self._left is not None:
                self._left -= len(body)
                if self._left < 0 or (self._left and not more):
                    raise RuntimeError("the answer's body is not as long as its head says")
            if len(body) < JOINED_BYTES:
                self._connection.write(head + body)
            else:
                self._connection.write(head, body)
        if not more:
            self._end()

    def _end(self) -> None:
        self.finished = True
        if self.size:  # what comes of the body is dropped
            self._pieces.clear()
            self.size, self.is_full = 0, False
        if self._waiter is not None:
            self._wake()
        self._queue.ended(keep=self._keep)
