"""Requests out of a caller's bytes: HTTP/1.1 without a socket."""

import logging
from collections.abc import Callable

import httptools

from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.http1.server.chunks import ChunkedBody
from tollkeeper_server.http1.server.head import HeadReader
from tollkeeper_server.http1.server.message import CHUNKS, RequestBody, RequestHead
from tollkeeper_server.http1.server.refusal import ENDLESS_HEAD, MAX_REQUEST_HEAD_BYTES
from tollkeeper_server.http1.server.seen import SeenHead
from tollkeeper_server.http1.server.strict import (
    MAX_LINE_BYTES,
    NOT_HTTP,
    beginning_problem,
    breaks_strangely,
)

_log = logging.getLogger("tollkeeper.http")
_BLANK_LINE = b"\r\n\r\n"
_BREAK = b"\r\n"

FAILED = TollkeeperError(
    Reason.INTERNAL, "something went wrong here while the request was read; the log says what"
)


class RequestParser:
    """Reads one request, and the next when `may_begin` is set again.

    What has come beyond, or comes faster than a body's reader takes chunks, is kept unread. So is what
    follows many chunks, however small they are. A head is read whole, so that nothing of a request is read
    that is refused or has to wait. One that the connection has sent before is known, but for the length;
    callers who have shown no token have no head remembered.

    A request that offers another protocol, as every Java HttpClient does without TLS, is read as HTTP. A
    protocol that is served, such as WebSocket, would take over behind its head.
    """

    __slots__ = (
        "_begin", "_begun", "_body", "_chunks", "_heads", "_left", "_problem", "_seen", "_unread",
        "in_head", "is_stopped", "is_tired", "keeps", "may_begin",
    )  # fmt: skip

    def __init__(self, begin: Callable[[RequestHead], RequestBody]) -> None:
        """`begin` is called with each head as soon as it is complete, and returns what takes the body."""
        self._begin = begin
        self._problem: TollkeeperError | None = None
        # What has come of a head that is not complete, and what was not looked at.
        self._begun = bytearray()
        self._unread = b""
        self._heads = HeadReader()
        self._seen = SeenHead()
        # What takes the body that has not ended: so many bytes of it are to come, or chunks.
        self._body: RequestBody | None = None
        self._left = 0
        self._chunks: ChunkedBody | None = None
        self.is_stopped = False
        """Whether nothing more is read."""
        self.in_head = False
        """Whether a head has begun that is not complete."""
        self.keeps = False
        """Whether bytes are kept: of such a head, or such as have to wait."""
        self.is_tired = False
        """Whether bytes are kept because reading them took long: `feed` reads on, after others had a turn."""
        self.may_begin = True
        """Whether the next request may be read. It is unset when one is."""

    @property
    def unread_bytes(self) -> int:
        """How many bytes have come that were not looked at, as they have to wait."""
        return len(self._unread)

    @property
    def kept_bytes(self) -> int:
        """How many bytes are kept: unread ones, and those of a head that is not complete."""
        return len(self._begun) + len(self._unread)

    def feed(self, data: bytes = b"") -> TollkeeperError | None:
        """Read what was kept unread and `data`, as far as that may be read.

        Return why it can't be, after which nothing more is read; None if it can.
        """
        if self.is_stopped:
            return None
        if self._unread:
            data, self._unread = self._unread + data, b""
        self.keeps = self.is_tired = False
        at, size = 0, len(data)
        try:
            while at < size and self._problem is None:
                chunks = self._chunks
                if self._left:
                    at = self._feed_body(data, at)
                elif chunks is not None and chunks.may_go_on():
                    at = self._feed_chunks(chunks, data, at)
                elif chunks is None and self.may_begin:
                    at = self._feed_head(data, at)
                else:
                    self._wait(data[at:])
                    break
        except httptools.HttpParserError as error:
            self._problem = _reason(error)
        except Exception as error:  # noqa: BLE001 - what takes requests failed, which the caller is told
            self._problem = _failed(error)
        if self._problem is not None:
            self.stop()
        return self._problem

    def _wait(self, unread: bytes) -> None:
        """Keep bytes that have to wait."""
        self._unread = unread
        self.keeps = True
        if self._chunks is not None and self._chunks.is_tired:
            self.is_tired = True
            self._chunks.rest()

    def put(self, data: bytes) -> None:
        """Keep bytes unread, behind those that are. `feed` reads them."""
        if not self.is_stopped:
            self._unread += data
            self.keeps = True

    def stop(self) -> None:
        """Read nothing more, and let go of the requests."""
        self.is_stopped = True
        self._body = self._chunks = None
        self._begun, self._unread = bytearray(), b""
        self.in_head = False

    def _feed_head(self, data: bytes, at: int) -> int:
        """Read a head, or keep its beginning. Return where the rest of `data` begins."""
        known = len(self._begun)
        end = 0 if known else data.find(_BLANK_LINE, at) + 4
        if end > 3:
            head, at = data[at:end], end
        else:
            end = self._find_end(data, at)
            if not end:
                return len(data)
            head, at = bytes(self._begun[:end]), at + end - known
            self._begun = bytearray()
            self.in_head = False
        request = self._seen.find(head)
        if request is None:
            read = self._heads.read(head)
            if isinstance(read, TollkeeperError):
                self._problem = read
                return at
            self.may_begin = False
            body = self._begin(read)
            request = read
            if body.is_known:
                self._heads.keep()
                self._seen.keep(head, read)
        else:
            self.may_begin = False
            body = self._begin(request)
        length = request.length
        if length == CHUNKS:
            self._chunks = ChunkedBody(body)
            return at
        end = at + length
        if end > len(data):  # `feed` goes on with the body
            self._body, self._left = body, length
            return at
        if length:
            body.feed(data[at:end])
        body.feed_end()
        return end

    def _feed_body(self, data: bytes, at: int) -> int:
        """Take a part of a body whose length is known. Return where the rest of `data` begins."""
        body = self._body
        assert body is not None
        piece = data[at : at + self._left]
        self._left -= len(piece)
        body.feed(piece)
        if not self._left:
            self._body = None
            body.feed_end()
        return at + len(piece)

    def _feed_chunks(self, chunks: ChunkedBody, data: bytes, at: int) -> int:
        """Take a part of a body in chunks. Return where the rest of `data` begins."""
        at, self._problem = chunks.feed(data, at)
        if chunks.has_ended:
            self._chunks = None
        return at

    def _find_end(self, data: bytes, at: int) -> int:
        """Keep what has come of a head; return how long that is, 0 if it is not complete."""
        begun = self._begun
        known = len(begun)
        begun += data[at : at + MAX_REQUEST_HEAD_BYTES + 1]
        end = begun.find(_BLANK_LINE, max(known - 3, 0)) + 4
        if end > 3:
            return end
        if len(begun) > MAX_REQUEST_HEAD_BYTES:
            self._problem = ENDLESS_HEAD
        else:
            self._problem = beginning_problem(bytes(begun[:MAX_LINE_BYTES]))
            since = known - 1 if begun[max(known - 1, 0) : known] == b"\r" else known
            if self._problem is None and breaks_strangely(bytes(begun[since:])):
                self._problem = NOT_HTTP
        # An empty line begins no request: some clients send one after a body.
        self.in_head = not _BREAK.startswith(bytes(begun[:3]))
        self.keeps = True
        return 0


def _reason(error: httptools.HttpParserError) -> TollkeeperError:
    if isinstance(error, httptools.HttpParserCallbackError):
        # What a method named `on_…` raised is its context.
        return _failed(error.__context__ or error)
    return NOT_HTTP


def _failed(fault: BaseException) -> TollkeeperError:
    _log.error("a request could not be read", exc_info=fault)
    return FAILED
