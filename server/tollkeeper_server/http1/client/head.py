"""The head of an upstream's answer: its size, and where it says that the body and the connection end."""

from tollkeeper_server.dataplane.transport import GarbageError
from tollkeeper_server.snapshot.model import Header

MAX_RESPONSE_HEAD_BYTES = 64 * 1024
"""The most that an upstream may send without ending a head or adding to a body.

Less than callers may send, to whom a head that is too large is explained: an upstream is simply given up.
"""

# Each name has a colon and a space after it, each value a line break.
_AROUND = 4


def head_size(headers: list[Header]) -> int:
    """Return how many bytes headers take."""
    return sum(len(name) + len(value) + _AROUND for name, value in headers)


def persists(headers: list[Header], version: str) -> bool:
    """Return whether the upstream keeps the connection open (RFC 9112, 9.3)."""
    options = _tokens(headers, b"connection")
    return b"close" not in options and (version == "1.1" or b"keep-alive" in options)


def ends_with_connection(status: int, headers: list[Header]) -> bool:
    """Return whether only the connection's end ends the body (RFC 9112, 6.3)."""
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
    """Return the error for a parser's failure: the one that a callback raised, if one did."""
    if isinstance(error.__context__, GarbageError):
        return error.__context__
    return GarbageError("what the upstream sent is not a valid HTTP response")
