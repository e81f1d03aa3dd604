"""One connection to an upstream: requests go out on it one after the other, answers come in."""

import asyncio
import select
import ssl
from collections.abc import AsyncIterator
from math import inf
from typing import Protocol

from tollkeeper_server.dataplane.transport import (
    CutError,
    Outgoing,
    Parts,
    TimeoutExpiredError,
    TransportError,
)
from tollkeeper_server.domain.connect_failure import ConnectReason, ConnectStage
from tollkeeper_server.http1.channel import Channel
from tollkeeper_server.http1.client.answer import Answer
from tollkeeper_server.http1.client.answer_reader import AnswerReader
from tollkeeper_server.http1.client.failure import classify, connect_error
from tollkeeper_server.http1.client.refused_certificate import STATUSES
from tollkeeper_server.http1.client.secured import closed_well, has_certificate, remember_session
from tollkeeper_server.http1.client.upload import WRITTEN_AT_ONCE, in_pieces, send_stream
from tollkeeper_server.http1.deadline import Deadline
from tollkeeper_server.http1.framing import JOINED_BYTES
from tollkeeper_server.http1.pace import ReadPace

# What comes before a connection's turn is kept up to so much: to make the upstream wait is more work.
_FEW_BYTES = 4 * 1024
_OF_CERTIFICATE = frozenset(
    {ConnectReason.CLIENT_CERTIFICATE_WANTED, ConnectReason.CLIENT_CERTIFICATE_REFUSED}
)


class Owner(Protocol):
    """The pool that keeps a connection while it is not used (pool.py)."""

    def give_back(self, connection: "UpstreamConnection") -> None: ...
    def lost(self, connection: "UpstreamConnection") -> None: ...


class UpstreamConnection(Channel, asyncio.Protocol):
    """Speaks HTTP/1.1 on one transport, one exchange at a time."""

    __slots__ = (
        "_answer", "_deadline", "_early", "_idle", "_is_full", "_new", "_owner", "_pace", "_peek", "_reader",
        "_streamed", "_upload", "_waits", "at_proxy", "good_until", "idle_until", "stage",
    )  # fmt: skip

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop, pace: ReadPace) -> None:
        super().__init__(loop)
        self._owner = owner
        self._pace = pace
        # Why it does not read: its reader has enough, or others have their turns before.
        self._is_full = self._waits = False
        self._early = b""  # what has come before its turn; read before it reads on
        self._deadline = Deadline(loop, self._expire)
        self._idle = inf
        self._reader = AnswerReader()
        self._answer: Answer | None = None
        self._upload: asyncio.Task[None] | None = None
        # Whether no answer has come yet.
        self._new = True
        self._streamed = False
        self._peek: select.poll | None = None
        self.good_until = self.idle_until = 0.0
        self.at_proxy = False
        """Whether it is the outbound proxy that is being connected to."""
        self.stage = ConnectStage.ROOM
        """What connecting waits for."""

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

    # The request.

    def begin(self, request: Outgoing, head: bytes, now: float, end: float) -> Answer:
        """Send a request, and return its answer, which must be whole by `end`, a time of the loop."""
        answer = Answer(self, self.loop)
        if self._transport is None:  # it was closed since it was made
            words = "the upstream closed the connection before the request was sent"
            answer.fail(connect_error(ConnectReason.CLOSED, words=words))
            return answer
        self._answer = answer
        self._reader.begin(answer, head_only=request.method == "HEAD")
        timeouts = request.timeouts
        self._idle = timeouts.idle
        self._deadline.start(timeouts.first_byte, timeouts.idle, now, end)
        body = request.body
        if isinstance(body, bytes) and len(body) <= JOINED_BYTES:
            self._transport.write(head + body)
        elif isinstance(body, bytes) and len(body) <= WRITTEN_AT_ONCE:
            self._transport.writelines((head, body))
        else:
            self._streamed = not isinstance(body, bytes | Parts)
            self._deadline.give(inf)
            self._transport.write(head)
            if isinstance(body, bytes | Parts):
                sending = self._send(in_pieces(body), len(body), timeouts.first_byte)
            else:
                sending = self._send(body, request.length, timeouts.first_byte)
            self._upload = self.loop.create_task(sending)
        return answer

    async def _send(
        self, body: AsyncIterator[bytes] | AsyncIterator[memoryview], length: int | None, first_byte: float
    ) -> None:
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

    # The answer.

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.drop()  # nothing was asked
            return
        if self._waits or self._is_full:
            self._early += data
            if self._is_full or len(self._early) > _FEW_BYTES:
                super().pause_reading()
        else:
            self._read(answer, data)
            if self._pace.is_over(len(data), self.loop) and self._answer is not None and not self._waits:
                if len(data) > _FEW_BYTES:
                    super().pause_reading()
                self._wait(len(data))
        if self._answer is answer and self._upload is None:
            self._deadline.give(self._idle)

    def _read(self, answer: Answer, data: bytes) -> None:
        reader = self._reader
        problem = reader.feed(data)
        if self._new and answer.status:
            self._new = False
            if answer.status not in STATUSES:  # a session tells what became of the client certificate
                remember_session(self._secured())
        if problem is not None:
            self._fail(problem)
        elif reader.is_whole:
            self._finish(answer)
        elif answer.push is None and answer.status:
            answer.wake()

    def pause_reading(self) -> None:
        """Let the upstream wait: the answer's reader has enough."""
        self._is_full = True
        super().pause_reading()

    def rest(self) -> None:
        """Keep what comes next, and let the upstream wait then: mostly nothing comes before it is read on."""
        self._is_full = True

    def resume_reading(self) -> None:
        """Read on, once it is this connection's turn. The upstream has its time from now."""
        self._is_full = False
        if self._waits:
            return
        if self._early:
            self._wait(len(self._early))
            return
        if not self._reading and self._answer is not None:
            self._deadline.give(self._idle)
        super().resume_reading()

    def _wait(self, size: int) -> None:
        """Let others read before this connection reads on."""
        self._waits = True
        self._pace.wait(size, self._read_on, self.loop)

    def _read_on(self) -> None:
        self._waits = False
        if self._is_full:
            return
        self._read_early()
        if not (self._is_full or self._reading):
            self.resume_reading()

    def _read_early(self) -> None:
        early, self._early = self._early, b""
        if early and self._answer is not None:
            self._read(self._answer, early)

    # Its end.

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)
        self._reader.stop()
        super().connection_lost(exc)
        self._owner.lost(self)

    def drop(self) -> None:
        """Close at once, and forget the answer."""
        self._answer = None
        self._early = b""
        if self._upload is not None:
            self._upload.cancel()
        self._deadline.close()
        self.abort()

    def cut(self) -> None:
        """Close at once. The answer's reader gets a `CutError`."""
        self._fail(CutError("the gateway closed the connection"))

    def _finish(self, answer: Answer) -> None:
        self._answer = None
        self._reader.end()
        if self._reader.keeps and self._upload is None and self.is_open:
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
        self._read_early()
        answer = self._answer
        if answer is None:
            self.drop()
        elif exc is not None:
            self._fail(self._broken(exc))
        elif self._reader.until_close and closed_well(self._secured()):
            self._finish(answer)
        else:
            self._fail(CutError("the upstream closed the connection"))

    def _broken(self, exc: Exception) -> TransportError:
        if self._new and isinstance(exc, ssl.SSLError):
            # In TLS 1.3 servers judge a client's certificate after its handshake, and take no request before.
            error = classify(exc, at_proxy=False, has_certificate=has_certificate(self._secured()))
            if error.problem is not None and error.problem.reason in _OF_CERTIFICATE:
                # A body that streamed is used up, so that another upstream can't get it.
                return CutError(str(error), error.problem) if self._streamed else error
        return CutError("the connection broke")

    def _secured(self) -> object:
        return self._transport.get_extra_info("ssl_object") if self._transport is not None else None

    def _expire(self) -> None:
        if self._answer is None:
            return  # the deadline is moved when the next request goes out
        if self._reading or self._deadline.is_final:
            self._fail(TimeoutExpiredError("the upstream did not answer in time"))
        else:
            self._deadline.give(self._idle)  # it is this side that lets the upstream wait
