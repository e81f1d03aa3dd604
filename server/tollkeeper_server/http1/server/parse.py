"""Requests out of a caller's bytes: HTTP/1.1 without a socket."""

from collections.abc import Callable
from typing import Protocol

import httptools
from msgspec import Struct

from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.http1.framing import FRAMING
from tollkeeper_server.http1.server.refusal import ENDLESS_HEAD, MAX_REQUEST_HEAD_BYTES, NOT_HTTP
from tollkeeper_server.snapshot.model import Header


class RequestHead(Struct, frozen=True, gc=False):
    """The head of a request, its header names in lower case.

    `keeps` says that the caller may send another request afterwards, `expects` that it waits for a go-ahead
    before it sends the body. The head has `size` bytes at most.
    """

    method: str
    version: str
    path: bytes
    query: bytes
    headers: list[Header]
    keeps: bool
    expects: bool
    size: int


class RequestBody(Protocol):
    """What takes the body of one request (cycle.py)."""

    more_body: bool

    def feed(self, piece: bytes) -> None: ...
    def feed_end(self) -> None: ...


class RequestParser:
    """Reads requests by httptools, which calls the methods named `on_…`.

    httptools stops before the body of a request that offers another protocol, as every Java HttpClient does
    without TLS (uvicorn issue 2722). Such a request is read to its end as HTTP, by a new parser that goes on
    with the bytes that follow. A protocol that is served, such as WebSocket, would take over there.
    """

    __slots__ = (
        "_arrived", "_begin", "_body", "_expects", "_headers", "_parser", "_piece", "_resuming", "_unread",
        "_url", "in_head",
    )  # fmt: skip

    def __init__(self, begin: Callable[[RequestHead], RequestBody]) -> None:
        """`begin` is called with each head as soon as it is complete, and returns what takes the body."""
        self._begin = begin
        self._parser: httptools.HttpRequestParser | None = self._new_parser()
        self._url = b""
        self._headers: list[Header] = []
        self._expects = False
        self._body: RequestBody | None = None
        self._resuming = False
        self._piece = 0
        # Bytes since the last request began, and those before it in the same piece: its head is no larger.
        self._arrived = 0
        # Bytes since a head was complete or a body went on.
        self._unread = 0
        self.in_head = False
        """Whether a head has begun that is not complete."""

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is read."""
        return self._parser is None

    def feed(self, data: bytes) -> TollkeeperError | None:
        """Read bytes. Return why they can't be read, after which nothing more is read; None if they can."""
        parser = self._parser
        if parser is None:
            return None
        self._piece = size = len(data)
        self._arrived += size
        self._unread += size
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._resume(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            error = NOT_HTTP
        else:
            if self._unread <= MAX_REQUEST_HEAD_BYTES:
                return None
            error = ENDLESS_HEAD  # or the extensions of a chunk, or trailers: none of them need end
        self.stop()
        return error

    def stop(self) -> None:
        """Read nothing more, and let go of the requests."""
        self._parser = self._body = None
        self.in_head = False

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _resume(self, rest: bytes) -> TollkeeperError | None:
        assert self._body is not None
        self._body.more_body = True  # the parser that stopped took the request to be complete
        self._parser = self._new_parser()
        self._resuming = True
        framing = b"".join(b"%s: %s\r\n" % header for header in self._headers if header[0] in FRAMING)
        return self.feed(b"POST / HTTP/1.1\r\n%s\r\n%s" % (framing, rest))

    def on_message_begin(self) -> None:
        """Begin a request, unless its head was read already."""
        if not self._resuming:
            self._url = b""
            self._headers = []
            self._expects = False
            self.in_head = True
            self._arrived = self._piece

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        if not self._resuming:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. A trailer is not one (RFC 9110, 6.5.1)."""
        if self.in_head:
            name = name.lower()
            if name == b"expect" and value.strip().lower() == b"100-continue":
                self._expects = True
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand the request over, unless that was done already."""
        self.in_head = False
        self._unread = 0
        if self._resuming:
            self._resuming = False
            return
        parser = self._parser
        assert parser is not None
        version = parser.get_http_version()
        path, query = split_target(self._url)
        self._body = self._begin(
            RequestHead(
                parser.get_method().decode("ascii"),
                version,
                path,
                query,
                self._headers,
                version == "1.1" and parser.should_keep_alive(),
                self._expects and version == "1.1",
                self._arrived,
            )
        )

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unread = 0
        if self._body is not None:
            self._body.feed(body)

    def on_message_complete(self) -> None:
        """Take the end of the request."""
        self._unread = 0
        if self._body is not None:
            self._body.feed_end()


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """Return the path and the query of a request's target (RFC 9112, 3.2)."""
    if not target.startswith(b"/"):
        try:
            parsed = httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError:
            return target, b""  # as of OPTIONS or CONNECT
        return parsed.path or b"/", parsed.query or b""
    path, _, query = target.partition(b"?")
    return path, query
