"""How messages of HTTP/1.1 are written, on both sides."""

from collections.abc import Iterable
from http import HTTPStatus

FRAMING = frozenset({b"content-length", b"transfer-encoding"})
"""The headers that say where a body ends (RFC 9112, 6)."""
TOKEN_BYTES = b"!#$%&'*+.^_`|~-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""What the name of a header may consist of (RFC 9110, 5.6.2)."""
LAST_CHUNK = b"0\r\n\r\n"
JOINED_BYTES = 16 * 1024
"""Below this size, copying a body behind its head costs less than handing over two pieces."""
HELD_BYTES = 256 * 1024
"""How much of a body is held for a slow reader before its sender is made to wait."""

# Clients take any phrase, also none (RFC 9112, 4).
_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {_PHRASES.get(status, '')}".encode("ascii") for status in range(200, 600)
}
CHUNKED = b"transfer-encoding: chunked"
CLOSE = b"connection: close"

_BREAK = b"\r\n"
_BREAKING = b"\r\n\0"


def join_head(lines: list[bytes]) -> bytes:
    """Return the first line and the headers of a message, with the blank line after them.

    Raises ValueError if a line would be read as more than one, or holds a NUL.
    """
    head = _BREAK.join(lines) + b"\r\n\r\n"
    if len(head.translate(None, _BREAKING)) != len(head) - len(_BREAK) * (len(lines) + 1):
        raise ValueError("a header has a line break or NUL")
    return head


def encode_head(status: int, headers: Iterable[tuple[bytes, bytes]], *more: bytes) -> bytes:
    """Return the status line, the headers and the lines in `more`, with the blank line after them.

    Raises ValueError if a header would be read as more than one, or the status is not one of an answer.
    """
    line = _STATUS_LINES.get(status)
    if line is None:
        raise ValueError(f"{status} is not the status of an answer")
    return join_head([line, *map(b": ".join, headers), *more])
