"""One request over HTTP/2 and its answer, as ASGI sees them."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import Protocol, cast

from hpack import NeverIndexedHeaderTuple

from tollkeeper_server.dataplane.caller import App, Message
from tollkeeper_server.domain.headers import Header
from tollkeeper_server.doors.http2.shared import HeldAnswers
from tollkeeper_server.doors.pages import Page
from tollkeeper_server.management.chain.chain import REQUEST_ID

_log = logging.getLogger("tollkeeper.http")
_DISCONNECT = {"type": "http.disconnect"}
# How much of an answer is held before its application is made to wait. A piece may be larger: none is copied.
_HELD_BYTES = 64 * 1024
# How long the application may wait for a request's body in all: so long, and longer the more of it comes.
_BODY_SECONDS = 60.0
_BODY_BYTES_A_SECOND = 1024
# They are the connection's, and have no place in HTTP/2 (RFC 9113, 8.2.2).
_OF_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
# They differ from answer to answer. In the table of HPACK they would push out those that do not, and h2
# looks through all of it for each header (RFC 7541, 6.2.3).
_OF_ONE_ANSWER = frozenset({b"content-length", b"date", b"etag", REQUEST_ID.encode()})


class Sender(Protocol):
    """What sends answers (`sender.Sender`)."""

    def go_ahead(self, stream: "Stream") -> None: ...
    def credit(self, stream: "Stream", size: int) -> None: ...
    def send_head(self, stream: "Stream", status: int, headers: list[Header], *, ends: bool) -> None: ...
    def send_soon(self, stream: "Stream") -> None: ...


class Line(Protocol):
    """The streams of a connection (`Streams`)."""

    loop: asyncio.AbstractEventLoop
    answers: HeldAnswers

    def ran(self, stream: "Stream") -> None: ...
    def shed(self) -> None: ...


class Stream:
    """One request. The connection feeds it and takes what it has to send; the application has `receive`
    and `send`.

    What is sent is held by reference until the caller takes it, and the application goes on meanwhile.
    """

    __slots__ = (
        "_body", "_body_bytes", "_expects", "_is_suppressed", "_line", "_owed", "_pieces", "_sender", "_told",
        "_waited", "_waiter", "_waits_since", "answered", "ended", "gone", "head_bytes", "held", "is_counted",
        "is_queued", "number", "page", "progress_at", "request_ended", "scope", "task",
    )  # fmt: skip

    def __init__(
        self, line: Line, sender: Sender, number: int, scope: Message, head_bytes: int, *, expects: bool
    ) -> None:
        """Take what the request's head takes. `expects` says that the caller waits to be told to go on."""
        self._line = line
        self._sender = sender
        self.number = number
        self.scope: Message | None = scope
        self.head_bytes = head_bytes
        """What the head takes, in bytes; 0 once it is let go of."""
        self.is_counted = True
        """Whether the request counts as under way."""
        self.is_queued = False
        """Whether the connection has noted that there is something to send."""
        self.page: Page | None = None
        """The turn of a request of the console."""
        self._expects = expects
        self._is_suppressed = scope["method"] == "HEAD"
        self.task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._body = bytearray()
        self._owed = 0
        self._told = False
        self._pieces: deque[memoryview] = deque()
        self.held = 0
        """How many bytes wait to be sent."""
        self._body_bytes = 0
        self.request_ended = False
        """Whether the request has come whole."""
        self.answered = False
        """Whether the answer has begun."""
        self.ended = False
        """Whether the application has sent the whole answer."""
        self.gone = False
        """Whether the stream is closed: nothing more comes or goes."""
        self.progress_at = 0.0
        """When the caller last took something, or something began to wait: a time of the loop."""
        self._waited = 0.0
        self._waits_since: float | None = None

    async def run(self, app: App) -> None:
        """Have the application answer."""
        scope = self.scope
        assert scope is not None
        try:
            await app(scope, self.receive, self.send)
        except Exception:  # noqa: BLE001 - the outermost frame: the stream is reset
            _log.exception("a request failed")
        finally:
            self.scope = self.task = None
            self._line.ran(self)

    # The side of the connection.

    def feed(self, piece: bytes, owed: int) -> None:
        """Take a part of the request's body, which the caller may replace by `owed` bytes once it is read."""
        self._body += piece
        self._owed += owed
        self._body_bytes += len(piece)
        self._wake()

    def feed_end(self) -> None:
        """Take the end of the request."""
        self.request_ended = True
        self._wake()

    def leave(self) -> int:
        """Close: nothing more comes or goes. The application learns it.

        Return how many bytes the caller may replace, as nobody reads them.
        """
        self.gone = True
        while self._pieces:
            self._let_go(self._pieces.popleft())
        self.held = 0
        self._body = bytearray()
        owed, self._owed = self._owed, 0
        self._wake()
        return owed

    def next_piece(self, most: int) -> tuple[memoryview, bool]:
        """Take up to so many bytes that wait to be sent. Return them, and whether they end a piece."""
        piece = self._pieces.popleft()
        is_whole = len(piece) <= most
        if not is_whole:
            self._pieces.appendleft(piece[most:])
            piece = piece[:most]
        else:
            self._let_go(piece)
        self.held -= len(piece)
        self.progress_at = self._line.loop.time()
        if self.held < _HELD_BYTES:
            self._wake()
        return piece, is_whole

    def hold(self, piece: bytes) -> None:
        """Keep a piece of the answer until the caller takes it."""
        if not self.held:
            self.progress_at = self._line.loop.time()
        self._pieces.append(memoryview(piece))
        self.held += len(piece)
        if self._line.answers.hold(piece):
            self._line.shed()

    def _let_go(self, piece: memoryview) -> None:
        # `obj` is what was sent, of which the view is the rest.
        self._line.answers.let_go(cast("bytes", piece.obj))

    def is_late(self, now: float) -> bool:
        """Return whether the application has waited for the body for too long by now."""
        waited = self._waited + (now - self._waits_since if self._waits_since is not None else 0.0)
        return waited > _BODY_SECONDS + self._body_bytes / _BODY_BYTES_A_SECOND

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _wait(self) -> None:
        if self._waiter is None:
            self._waiter = self._line.loop.create_future()
        await asyncio.shield(self._waiter)

    # The side of the application (ASGI).

    async def receive(self) -> Message:
        """Return the next part of the request's body, or a message that no more will come."""
        if self._expects:
            self._expects = False
            if not (self.answered or self.request_ended or self.gone):
                self._sender.go_ahead(self)
        while not (self.gone or self.ended):
            if self._body or (self.request_ended and not self._told):
                body, self._body = bytes(self._body), bytearray()
                owed, self._owed = self._owed, 0
                if owed:
                    self._sender.credit(self, owed)
                self._told = self.request_ended
                return {"type": "http.request", "body": body, "more_body": not self._told}
            await self._wait_for_body()
        return _DISCONNECT

    async def _wait_for_body(self) -> None:
        if self.request_ended:  # only the caller's leaving is waited for
            await self._wait()
            return
        now = self._line.loop.time
        self._waits_since = now()
        try:
            await self._wait()
        finally:
            self._waited += now() - self._waits_since
            self._waits_since = None

    async def send(self, message: Message) -> None:
        """Send the head of the answer, or a part of its body. Wait while much of it waits to be sent."""
        while self.held >= _HELD_BYTES and not self.gone:
            await self._wait()
        if self.gone:
            return
        if message["type"] == "http.response.start":
            if self.answered:
                raise RuntimeError("the answer has begun already")
            self.answered = True
            if self.page is not None:
                self.page.done()
            status = message["status"]
            self._is_suppressed = self._is_suppressed or status in {204, 304}
            self._sender.send_head(self, status, own_headers(message["headers"]), ends=False)
            return
        if self.ended or not self.answered:
            raise RuntimeError("a part of a body came before the answer's head, or after its end")
        body = message.get("body", b"")
        if body and not self._is_suppressed:
            self.hold(body)
        if not message.get("more_body", False):
            self.finish()
        elif self.held:
            self._sender.send_soon(self)

    def finish(self) -> None:
        """Record that the answer is whole."""
        self.ended = True
        self._wake()
        self._sender.send_soon(self)


def own_headers(headers: Iterable[Header]) -> list[Header]:
    """Return an answer's headers without those of a connection, their names in lower case.

    Those that no other answer has are marked as such.
    """
    lowered = ((name.lower(), value) for name, value in headers)
    return [
        NeverIndexedHeaderTuple(name, value) if name in _OF_ONE_ANSWER else (name, value)
        for name, value in lowered
        if name not in _OF_CONNECTION
    ]
