"""One connection to an upstream: requests go out on it one after the other, answers come in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from math import inf
from typing import Protocol, cast

import httptools

from tollkeeper_server.dataplane.transport import (
    CutError,
    GarbageError,
    Outgoing,
    TimeoutExpiredError,
    TransportError,
)
from tollkeeper_server.http1.client.answer import Answer
from tollkeeper_server.http1.client.head import (
    MAX_RESPONSE_HEAD_BYTES,
    ends_with_connection,
    garbage,
    head_size,
    persists,
)
from tollkeeper_server.http1.client.upload import send_stream
from tollkeeper_server.http1.deadline import Deadline
from tollkeeper_server.http1.framing import JOINED_BYTES
from tollkeeper_server.snapshot.model import Header


class Owner(Protocol):
    """Who keeps a connection while nobody uses it."""

    def give_back(self, connection: "UpstreamConnection") -> None:
        """Takes a connection whose answer has ended, and on which another request may go out."""

    def lost(self, connection: "UpstreamConnection") -> None:
        """Takes note that a connection is closed."""


class UpstreamConnection(asyncio.Protocol):
    """Speaks HTTP/1.1 on one transport, one exchange at a time.

    The methods named `on_…` are the parser's to call.
    """

    __slots__ = (
        "_answer", "_deadline", "_done", "_head_only", "_headers", "_idle", "_keep", "_loop", "_overhead",
        "_owner", "_parser", "_pieces", "_reading", "_transport", "_until_close", "_upload", "_writable",
        "idle_since", "on_body", "served",
    )  # fmt: skip

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._owner = owner
        self._deadline = Deadline(loop, self._expire)
        self._idle = inf
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer: Answer | None = None
        self._headers: list[Header] = []
        self._pieces: list[bytes] = []
        self.on_body: Callable[[bytes], None] = self._pieces.append
        self._upload: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._reading = True
        self._head_only = self._until_close = self._done = False
        self._keep = True
        self._overhead = 0
        self.served = 0
        """How many requests went out on it."""
        self.idle_since = 0.0

    @property
    def is_open(self) -> bool:
        """Whether nothing speaks against sending another request."""
        return self._transport is not None and not self._transport.is_closing()

    def begin(self, request: Outgoing, head: bytes, now: float, end: float) -> Answer:
        """Sends a request; its answer will come. `end` is the loop's time by which it must be whole."""
        answer = Answer(self, self._loop)
        self.served += 1
        if self._transport is None:  # it was closed between its making and now
            answer.fail(CutError("the upstream closed the connection"))
            return answer
        self._answer = answer
        self._done = self._until_close = False
        self._keep = True
        self._overhead = 0
        self._head_only = request.method == "HEAD"
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
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
            self._upload = self._loop.create_task(self._send(body, request.length, timeouts.first_byte))
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

    def write(self, *pieces: bytes) -> None:
        """Writes a part of a streamed body."""
        if self._transport is not None:
            self._transport.writelines(pieces)

    async def drain(self) -> None:
        """Returns when the upstream has taken enough of what was written."""
        if self._writable is not None:
            self._deadline.give(self._idle)
            await self._writable
            self._deadline.give(inf)

    def pause(self) -> None:
        """Stops reading: the answer's reader is slow."""
        if self._transport is not None and self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume(self) -> None:
        """Reads on."""
        if not self._reading:
            self._reading = True
            if self._answer is not None:
                self._deadline.give(self._idle)
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def drop(self) -> None:
        """Closes the connection at once and forgets the answer."""
        self._answer = None
        if self._upload is not None:
            self._upload.cancel()
        self._deadline.close()
        if self._transport is not None:
            self._transport.abort()

    def cut(self) -> None:
        """Closes the connection at once; whoever reads from it is told."""
        self._fail(CutError("the gateway closed the connection"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Gives the parser what has arrived, and the answer what that came to."""
        answer, parser = self._answer, self._parser
        if answer is None or parser is None:
            self.drop()  # nobody has asked for anything
            return
        answer.begun = True
        if self._upload is None:
            self._deadline.give(self._idle)
        self._overhead += len(data)
        pieces = self._pieces
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keep = False
            if not self._done:
                if pieces:
                    answer.take(b"".join(pieces))
                    pieces.clear()
                self._fail(garbage(error))
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
        elif answer.push is None and answer.status:
            answer.wake()

    def eof_received(self) -> None:
        """Takes note that the upstream sends no more; the connection closes."""
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Takes note that the connection is closed."""
        self._ended(exc)
        self._transport = self._parser = None
        self.resume_writing()
        self._owner.lost(self)

    def pause_writing(self) -> None:
        """Lets a streamed body wait."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """Lets a streamed body go on."""
        if self._writable is not None:
            if not self._writable.done():
                self._writable.set_result(None)
            self._writable = None

    def on_message_begin(self) -> None:
        """Begins an answer, or one of those that come before it."""
        if self._done:
            raise GarbageError("the upstream sent more than it was asked for")
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header, or a trailer, which is dropped."""
        self._headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Takes the head of an answer."""
        answer, parser, headers = self._answer, self._parser, self._headers
        assert answer is not None
        assert parser is not None
        status = parser.get_status_code()
        if status == 101 or status < 100:
            # Nobody asked for another protocol: what follows would not be HTTP.
            raise GarbageError("the upstream switched to another protocol")
        if self._overhead > MAX_RESPONSE_HEAD_BYTES and head_size(headers) > MAX_RESPONSE_HEAD_BYTES:
            raise GarbageError("the upstream's headers are too large")
        if status < 200:
            return
        answer.status = status
        answer.headers = headers
        self._headers = []
        if self._head_only:
            self._keep = persists(headers, parser.get_http_version())
            self._done = True
        elif not parser.should_keep_alive():
            self._keep = False
            self._until_close = ends_with_connection(status, headers)

    def on_message_complete(self) -> None:
        """Takes the end of an answer, or of one of those that come before it."""
        assert self._answer is not None
        if self._answer.status:
            self._done = True
        elif self._pieces:
            raise GarbageError("the upstream sent a body where none may be")

    def _finish(self, answer: Answer) -> None:
        self._answer = None
        if self._head_only:
            self._parser = None  # it waits for the body that this answer announced
        if self._keep and self._upload is None and self.is_open:
            self.resume()
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
