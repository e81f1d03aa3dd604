"""A request as the parser gives it: its head, and what takes its body."""

from typing import Protocol

import httptools
from msgspec import Struct

from tollkeeper_server.snapshot.model import Header

CHUNKS = -1
"""The length of a body that tells its own."""


class RequestHead(Struct, frozen=True, gc=False):
    """The head of a request, its header names in lower case.

    `keeps` says that the caller may send another request afterwards, `expects` that it waits for a go-ahead
    before it sends the body. The head has `size` bytes, the body `length`, which is `CHUNKS` if it comes in
    chunks.
    """

    method: str
    version: str
    path: bytes
    query: bytes
    headers: list[Header]
    keeps: bool
    expects: bool
    size: int
    length: int


class RequestBody(Protocol):
    """What takes the body of one request (cycle.py)."""

    more_body: bool

    @property
    def is_known(self) -> bool: ...
    @property
    def is_full(self) -> bool: ...
    def feed(self, piece: bytes) -> None: ...
    def feed_end(self) -> None: ...


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
