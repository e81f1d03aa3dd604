"""The head of an answer as bytes, and the target in the head of a request."""

from collections.abc import Iterable
from http import HTTPStatus

import httptools

from tollkeeper_server.http1.framing import join_head

_Header = tuple[bytes, bytes]

# Clients take any phrase, also none (RFC 9112, 4).
_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {_PHRASES.get(status, '')}".encode("ascii") for status in range(200, 600)
}
CHUNKED = b"transfer-encoding: chunked"
CLOSE = b"connection: close"


def encode_head(status: int, headers: Iterable[_Header], *more: bytes) -> bytes:
    """Return the status line, the headers and the lines in `more`, with the blank line after them.

    Raises ValueError if a header would be read as more than one, or the status is not one of an answer.
    """
    line = _STATUS_LINES.get(status)
    if line is None:
        raise ValueError(f"{status} is not the status of an answer")
    return join_head([line, *map(b": ".join, headers), *more])


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
