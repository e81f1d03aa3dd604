"""What an answer's headers say about its end, and about the connection's."""

from tollkeeper_server.dataplane.transport import GarbageError
from tollkeeper_server.snapshot.model import Header

MAX_HEAD_BYTES = 64 * 1024
"""The most an upstream may send that is neither the end of a head nor part of a body."""

# Each name has a colon and a space after it, each value a line break.
_AROUND = 4
_BREAK = b"\r\n"
_BREAKING = b"\r\n\0"


def join_head(lines: list[bytes]) -> bytes:
    """Returns the first line and the headers of a message, with the blank line after them.

    Raises ValueError if one of them would be read as more than one line, or holds a NUL.
    """
    head = _BREAK.join(lines) + b"\r\n\r\n"
    if len(head.translate(None, _BREAKING)) != len(head) - len(_BREAK) * (len(lines) + 1):
        raise ValueError("a header has a line break or NUL")
    return head


def head_size(headers: list[Header]) -> int:
    """Returns how many bytes headers take."""
    return sum(len(name) + len(value) + _AROUND for name, value in headers)


def persists(headers: list[Header], version: str) -> bool:
    """Tells whether the upstream keeps the connection open (RFC 9112, 9.3)."""
    options = _tokens(headers, b"connection")
    return b"close" not in options and (version == "1.1" or b"keep-alive" in options)


def ends_with_connection(status: int, headers: list[Header]) -> bool:
    """Tells whether only the connection's end ends the body (RFC 9112, 6.3)."""
    if status in {204, 304}:
        return False
    codings = _tokens(headers, b"transfer-encoding")
    if codings:
        return codings[-1] != b"chunked"
    return not any(name.lower() == b"content-length" for name, _ in headers)


def _tokens(headers: list[Header], wanted: bytes) -> list[bytes]:
    values = [value for name, value in headers if name.lower() == wanted]
    return [token.strip().lower() for value in values for token in value.split(b",") if token.strip()]


def garbage(error: Exception) -> GarbageError:
    """Returns what to raise for a parser's error: what a callback of the parser raised, if one did."""
    if isinstance(error.__context__, GarbageError):
        return error.__context__
    return GarbageError("what the upstream sent is not a valid HTTP response")
