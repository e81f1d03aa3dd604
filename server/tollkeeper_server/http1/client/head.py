"""The head of an upstream's answer: its size, and where it says that the body and the connection end."""

from tollkeeper_server.dataplane.transport import GarbageError
from tollkeeper_server.snapshot.model import Header

MAX_RESPONSE_HEAD_BYTES = 64 * 1024
"""The most that an upstream may send without ending a head or adding to a body.

Less than callers may send, to whom a head that is too large is explained: an upstream is simply given up.
"""

# Each name has a colon and a space after it, each value a line break.
_AROUND = 4
_CODING = b"transfer-encoding"
CODING_LENGTH = len(_CODING)
"""Names are looked at only if one has this length, which is found out for each answer."""
_CHUNKED = [b"chunked"]


def head_size(headers: list[Header]) -> int:
    """Return how many bytes headers take."""
    return sum(len(name) + len(value) + _AROUND for name, value in headers)


def persists(headers: list[Header], version: str) -> bool:
    """Return whether the upstream keeps the connection open (RFC 9112, 9.3)."""
    options = tokens_of(headers, b"connection")
    return b"close" not in options and (version == "1.1" or b"keep-alive" in options)


def ends_with_connection(status: int, headers: list[Header]) -> bool:
    """Return whether only the connection's end ends the body (RFC 9112, 6.3)."""
    if status in {204, 304}:
        return False
    codings = tokens_of(headers, b"transfer-encoding")
    if codings:
        return codings[-1] != b"chunked"
    return not any(name.lower() == b"content-length" for name, _ in headers)


def tokens_of(headers: list[Header], wanted: bytes) -> list[bytes]:
    """Return the members of a list header in lower case, those of all its lines together (RFC 9110, 5.3)."""
    values = [value for name, value in headers if name.lower() == wanted]
    return [token.strip().lower() for value in values for token in value.split(b",") if token.strip()]


def check_status(status: int) -> None:
    """Raise `GarbageError` for a status that no answer may have (RFC 9110, 15)."""
    if status == 101:
        # No request asks for another protocol, and the bytes that follow would not be HTTP.
        raise GarbageError("the upstream switched to another protocol, which it was not asked to")
    if not 100 <= status <= 599:
        raise GarbageError(f"the upstream answered with {status:03}, which is not the status of an answer")


class UnclearError(GarbageError):
    """A head is valid, but perhaps not read by httptools as RFC 9112 says; mending.py reads it again."""


def codings_of(headers: list[Header]) -> list[bytes]:
    """Return the values of `transfer-encoding`, as they came."""
    return [value for name, value in headers if len(name) == CODING_LENGTH and name.lower() == _CODING]


def transferred(
    status: int, headers: list[Header], codings: list[bytes], version: str, *, keeps: bool
) -> bool:
    """Return whether the connection may be kept after an answer that has `transfer-encoding`.

    `codings` are its values. `keeps` is what httptools would do. Raises `UnclearError` if the coding is
    anything but `chunked`, or httptools did not take it for that.
    """
    if status in {204, 304}:  # without a body, but what says that it has one may send one
        return False
    is_chunked = codings == _CHUNKED or [*map(bytes.lower, codings)] == _CHUNKED
    if not is_chunked or (not keeps and persists(headers, version)):
        raise UnclearError("what the upstream sent is not a valid HTTP response")
    return keeps and version == "1.1"  # RFC 9112, 6.1: in HTTP/1.0 the framing is faulty


def without_length(headers: list[Header]) -> list[Header]:
    """Return headers but for the length, which a 204 must not have (RFC 9110, 8.6)."""
    return [header for header in headers if header[0].lower() != b"content-length"]


def garbage(error: Exception) -> GarbageError:
    """Return the error for a parser's failure: the one that a callback raised, if one did."""
    for known in (error, error.__context__):
        if isinstance(known, GarbageError):
            return known
    return GarbageError("what the upstream sent is not a valid HTTP response")
