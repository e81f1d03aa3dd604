"""Answers out of an upstream's bytes: HTTP/1.1 without a socket."""

from collections.abc import Callable
from operator import itemgetter

import httptools

from tollkeeper_server.dataplane.transport import GarbageError
from tollkeeper_server.http1.client.answer import Answer
from tollkeeper_server.http1.client.head import (
    CODING_LENGTH,
    MAX_RESPONSE_HEAD_BYTES,
    check_status,
    codings_of,
    ends_with_connection,
    garbage,
    head_size,
    persists,
    transferred,
    without_length,
)
from tollkeeper_server.http1.client.mending import MendingParser, can_mend, new_parser
from tollkeeper_server.snapshot.model import Header

_REFUSALS = (httptools.HttpParserError, httptools.HttpParserUpgrade, GarbageError)
_name_of = itemgetter(0)


class AnswerReader:
    """Reads the answers of one connection, one after the other.

    httptools calls the methods named `on_…`.
    """

    __slots__ = (
        "_answer", "_head_only", "_headers", "_overhead", "_parser", "_pieces", "_unread", "is_whole",
        "keeps", "on_body", "until_close",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parser: httptools.HttpResponseParser | MendingParser | None = None
        # What has arrived of the head that the parser is in, and of interim ones before it.
        self._unread = b""
        self._answer: Answer | None = None
        self._headers: list[Header] = []
        self._pieces: list[bytes] = []
        self.on_body: Callable[[bytes], None] = self._pieces.append
        self._head_only = False
        # Bytes since a part of the body came.
        self._overhead = 0
        self.is_whole = False
        """Whether the answer was read to its end."""
        self.keeps = True
        """Whether another answer may follow."""
        self.until_close = False
        """Whether only the connection's end ends the answer."""

    def begin(self, answer: Answer, *, head_only: bool) -> None:
        """Read what comes as this answer, of which only the head comes with `head_only`."""
        self._answer = answer
        self.is_whole = self.until_close = False
        self.keeps = True
        self._overhead = 0
        self._unread = b""
        self._head_only = head_only
        if self._parser is None:
            self._parser = new_parser(self)

    def end(self) -> None:
        """Let go of the answer."""
        self._answer = None
        if self._head_only:
            self._parser = None  # it waits for the body that this head announced

    def stop(self) -> None:
        """Let go of the answer, and read no other."""
        self._answer = self._parser = None

    def feed(self, data: bytes) -> GarbageError | None:
        """Read bytes. Return why they can't be read, None if they can."""
        answer, parser, pieces = self._answer, self._parser, self._pieces
        assert answer is not None
        assert parser is not None
        self._overhead += len(data)
        try:
            parser.feed_data(data)
        except _REFUSALS as refusal:
            problem = self._read_again(data, refusal)
            if problem is not None:
                self.keeps = False
                if not self.is_whole:
                    if pieces:
                        answer.take(b"".join(pieces))
                        pieces.clear()
                    return garbage(problem)
        if pieces:
            self._overhead = 0
            if self._head_only:
                self.keeps = False
                pieces.clear()
            elif len(pieces) == 1:
                answer.take(pieces.pop())
            else:
                whole = b"".join(pieces)
                pieces.clear()
                answer.take(whole)
        elif self._overhead > MAX_RESPONSE_HEAD_BYTES and not self.is_whole:
            return GarbageError("the upstream's headers are too large")
        if not answer.status:
            self._unread += data
        return None

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

    def on_message_begin(self) -> None:
        """Begin an answer, or an interim one (1xx) before it."""
        if self.is_whole:
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
            self.keeps = persists(headers, parser.get_http_version())
            self.is_whole = True
        else:
            if not parser.should_keep_alive():
                self.keeps = False
                self.until_close = ends_with_connection(status, headers)
            if CODING_LENGTH in map(len, map(_name_of, headers)) and (codings := codings_of(headers)):
                version = parser.get_http_version()
                self.keeps = transferred(status, headers, codings, version, keeps=self.keeps)
        answer.status = status
        answer.headers = headers if status != 204 else without_length(headers)
        self._headers = []

    def on_message_complete(self) -> None:
        """Take the end of an answer, or of an interim one."""
        assert self._answer is not None
        if self._answer.status:
            self.is_whole = True
        elif self._pieces:
            raise GarbageError("the upstream sent a body where none may be")
