"""One connection to an upstream: requests go out on it one after the other, answers come in."""

import asyncio
import select
from collections.abc import AsyncIterator, Callable
from math import inf
from operator import itemgetter
from typing import Protocol

import httptools

from tollkeeper_server.dataplane.transport import (
    ConnectError,
    CutError,
    GarbageError,
    Outgoing,
    TimeoutExpiredError,
    TransportError,
)
from tollkeeper_server.http1.channel import Channel
from tollkeeper_server.http1.client.answer import Answer
from tollkeeper_server.http1.client.head import (
    MAX_RESPONSE_HEAD_BYTES,
    check_status,
    ends_with_connection,
    garbage,
    has_coding,
    head_size,
    persists,
    transferred,
    without_length,
)
from tollkeeper_server.http1.client.mending import MendingParser, can_mend, new_parser
from tollkeeper_server.http1.client.upload import send_stream
from tollkeeper_server.http1.deadline import Deadline
from tollkeeper_server.http1.framing import JOINED_BYTES
from tollkeeper_server.snapshot.model import Header

_REFUSALS = (httptools.HttpParserError, httptools.HttpParserUpgrade, GarbageError)
# Names are looked at only if one has this length, which is found out for each answer.
_CODING_LENGTH = len(b"transfer-encoding")
_name_of = itemgetter(0)


class Owner(Protocol):
    """The pool that keeps a connection while it is not used (pool.py)."""

    def give_back(self, connection: "UpstreamConnection") -> None: ...
    def lost(self, connection: "UpstreamConnection") -> None: ...


class UpstreamConnection(Channel):
    """Speaks HTTP/1.1 on one transport, one exchange at a time.

    httptools calls the methods named `on_…`.
    """

    __slots__ = (
        "_answer", "_deadline", "_done", "_head_only", "_headers", "_idle", "_keep", "_overhead", "_owner",
        "_parser", "_peek", "_pieces", "_unread", "_until_close", "_upload", "idle_since", "on_body",
    )  # fmt: skip

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._owner = owner
        self._deadline = Deadline(loop, self._expire)
        self._idle = inf
        self._parser: httptools.HttpResponseParser | MendingParser | None = None
        # What has arrived of the head that the parser is in, and of interim ones before it.
        self._unread = b""
        self._answer: Answer | None = None
        self._headers: list[Header] = []
        self._pieces: list[bytes] = []
        self.on_body: Callable[[bytes], None] = self._pieces.append
        self._upload: asyncio.Task[None] | None = None
        self._head_only = self._until_close = self._done = False
        self._keep = True
        self._overhead = 0
        self._peek: select.poll | None = None
        self.idle_since = 0.0

    @property
    def is_quiet(self) -> bool:
        """Whether it is open and nothing has come since the last answer, neither bytes nor an end.

        It asks the system, too: what the loop has not read yet counts.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        peek = self._peek
        if peek is None:
            peek = self._peek = select.poll()
            peek.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return not peek.poll(0)

    def begin(self, request: Outgoing, head: bytes, now: float, end: float) -> Answer:
        """Send a request, and return its answer, which must be whole by `end`, a time of the loop."""
        answer = Answer(self, self.loop)
        if self._transport is None:  # it was closed since it was made
            answer.fail(ConnectError("the upstream closed the connection before the request was sent"))
            return answer
        self._answer = answer
        self._done = self._until_close = False
        self._keep = True
        self._overhead = 0
        self._unread = b""
        self._head_only = request.method == "HEAD"
        if self._parser is None:
            self._parser = new_parser(self)
        timeouts = request.timeouts
        self._idle = timeouts.idle
        self._deadline.start(timeouts.first_byte, timeouts.idle, now, end)
        body = request.body
        if isinstance(body, bytes):
            if len(body) <= JOINED_BYTES:
                self._transport.write(head + body)
            else:
                self._transport.writelines((head, body))
        else:
            self._deadline.give(inf)
            self._transport.write(head)
            self._upload = self.loop.create_task(self._send(body, request.length, timeouts.first_byte))
        return answer

    async def _send(self, body: AsyncIterator[bytes], length: int | None, first_byte: float) -> None:
        try:
            await send_stream(self, body, length)
        except CutError as error:
            self._fail(error)
        except asyncio.CancelledError:
            if self._answer is not None:  # it was not this connection that ended the body
                self._fail(CutError("the request's body broke off"))
            raise
        else:
            self._upload = None
            answer = self._answer
            if answer is not None:
                self._deadline.give(first_byte if answer.status == 0 else self._idle)

    async def drain(self) -> None:
        """Return when the upstream has taken enough of what was written."""
        if self.blocked is not None:
            self._deadline.give(self._idle)
            await self.blocked
            self._deadline.give(inf)

    def resume_reading(self) -> None:
        """Read on. The upstream has its time from now."""
        if not self._reading and self._answer is not None:
            self._deadline.give(self._idle)
        super().resume_reading()

    def drop(self) -> None:
        """Close at once, and forget the answer."""
        self._answer = None
        if self._upload is not None:
            self._upload.cancel()
        self._deadline.close()
        self.abort()

    def cut(self) -> None:
        """Close at once. The answer's reader gets a `CutError`."""
        self._fail(CutError("the gateway closed the connection"))

    def data_received(self, data: bytes) -> None:
        answer, parser = self._answer, self._parser
        if answer is None or parser is None:
            self.drop()  # nothing was asked
            return
        if self._upload is None:
            self._deadline.give(self._idle)
        self._overhead += len(data)
        pieces = self._pieces
        refusal: Exception | None = None
        try:
            parser.feed_data(data)
        except _REFUSALS as error:
            refusal = error
        if refusal is not None and (problem := self._read_again(data, refusal)) is not None:
            self._keep = False
            if not self._done:
                if pieces:
                    answer.take(b"".join(pieces))
                    pieces.clear()
                self._fail(garbage(problem))
                return
        if pieces:
            self._overhead = 0
            if self._head_only:
                self._keep = False
            else:
                answer.take(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            pieces.clear()
        elif self._overhead > MAX_RESPONSE_HEAD_BYTES and not self._done:
            self._fail(GarbageError("the upstream's headers are too large"))
            return
        if self._done:
            self._finish(answer)
        elif not answer.status:
            self._unread += data
        elif answer.push is None:
            answer.wake()

    def _read_again(self, data: bytes, refusal: Exception) -> Exception | None:
        """Read what the parser refused as RFC 9112 says, if it is a head; return what is still wrong."""
        assert self._answer is not None
        if self._answer.status or isinstance(self._parser, MendingParser) or not can_mend(refusal):
            return refusal
        self._parser = parser = MendingParser(self)
        try:
            parser.feed_data(self._unread + data)
        except _REFUSALS as error:
            return error
        return None

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)
        self._parser = None
        super().connection_lost(exc)
        self._owner.lost(self)

    def on_message_begin(self) -> None:
        """Begin an answer, or an interim one (1xx) before it."""
        if self._done:
            raise GarbageError("the upstream sent more than it was asked for")
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer, which is dropped."""
        self._headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Take the head of an answer."""
        answer, parser, headers = self._answer, self._parser, self._headers
        assert answer is not None
        assert parser is not None
        status = parser.get_status_code()
        if not 200 <= status <= 599:
            check_status(status)
        if self._overhead > MAX_RESPONSE_HEAD_BYTES and head_size(headers) > MAX_RESPONSE_HEAD_BYTES:
            raise GarbageError("the upstream's headers are too large")
        if status < 200:
            return
        if self._head_only:
            self._keep = persists(headers, parser.get_http_version())
            self._done = True
        else:
            if not parser.should_keep_alive():
                self._keep = False
                self._until_close = ends_with_connection(status, headers)
            if _CODING_LENGTH in map(len, map(_name_of, headers)) and has_coding(headers):
                version = parser.get_http_version()
                self._keep = transferred(status, headers, version, keeps=self._keep)
        answer.status = status
        answer.headers = headers if status != 204 else without_length(headers)
        self._headers = []

    def on_message_complete(self) -> None:
        """Take the end of an answer, or of an interim one."""
        assert self._answer is not None
        if self._answer.status:
            self._done = True
        elif self._pieces:
            raise GarbageError("the upstream sent a body where none may be")

    def _finish(self, answer: Answer) -> None:
        self._answer = None
        if self._head_only:
            self._parser = None  # it waits for the body that this head announced
        if self._keep and self._upload is None and self.is_open:
            if not self._reading:
                self.resume_reading()
            self._owner.give_back(self)
        else:
            self.drop()
        answer.end()

    def _fail(self, error: TransportError) -> None:
        answer = self._answer
        self.drop()
        if answer is not None:
            answer.fail(error)

    def _ended(self, exc: Exception | None) -> None:
        answer = self._answer
        if answer is None:
            self.drop()
        elif self._until_close and exc is None:
            self._finish(answer)
        else:
            self._fail(
                CutError("the upstream closed the connection" if exc is None else "the connection broke")
            )

    def _expire(self) -> None:
        if self._answer is None:
            return  # the deadline is moved when the next request goes out
        if self._reading or self._deadline.is_final:
            self._fail(TimeoutExpiredError("the upstream did not answer in time"))
        else:
            self._deadline.give(self._idle)  # it is this side that lets the upstream wait
