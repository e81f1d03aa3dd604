"""What the request line and the host of a request must be, and what is said of a head that is refused.

What one server forgives, a server or proxy behind it may read as another request.
"""

import re
from ipaddress import IPv6Address

from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument

MAX_LINE_BYTES = 16 * 1024
"""The longest request line: method, target and version (RFC 9112, 3, recommends 8,000 bytes at least)."""

METHODS = frozenset(
    {
        b"ACL", b"BIND", b"CHECKOUT", b"CONNECT", b"COPY", b"DELETE", b"GET", b"HEAD", b"LINK", b"LOCK",
        b"M-SEARCH", b"MERGE", b"MKACTIVITY", b"MKCALENDAR", b"MKCOL", b"MOVE", b"NOTIFY", b"OPTIONS",
        b"PATCH", b"POST", b"PROPFIND", b"PROPPATCH", b"PURGE", b"PUT", b"QUERY", b"REBIND", b"REPORT",
        b"SEARCH", b"SOURCE", b"SUBSCRIBE", b"TRACE", b"UNBIND", b"UNLINK", b"UNLOCK", b"UNSUBSCRIBE",
    }
)  # fmt: skip
"""The methods that servers in general take. Which ones an endpoint takes, it says itself."""

_METHOD = rb"[A-Z-]{1,24}"
_TARGET = rb"[!\"$-~]+"
LINE = re.compile(rb"(?:\r\n)?(" + _METHOD + rb") (" + _TARGET + rb") HTTP/1\.([01])\r\n")
"""A request line, with an empty one before it or not (RFC 9112, 2.2). Its target holds no fragment.

Its groups are the method, the target and the minor version.
"""
_OTHER_LINE = re.compile(rb"(?:\r\n)?" + _METHOD + rb" " + _TARGET + rb" HTTP/(?!1\.)[!-~]+\r\n")
# What a line with an empty one before it may be as long as it has not ended.
_BEGINNING = re.compile(rb"\r|\r\n(?:[A-Z-]{1,24}(?: (?:[!\"$-~]+(?: [!-~]*\r?)?)?)?)?")

_NAME = rb"[A-Za-z0-9._~%-]+"
_AUTHORITY = re.compile(rb"(?:(" + _NAME + rb")|\[([0-9A-Fa-f:.]+)(?:%" + _NAME + rb")?\])(?::([0-9]{0,5}))?")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)", re.IGNORECASE)
_MAX_PORT = 65_535

NOT_HTTP = TollkeeperError(
    Reason.INVALID_ARGUMENT, "the request is not valid HTTP/1.1; check its first line, headers and framing"
)
WRONG_LINE = TollkeeperError(
    Reason.INVALID_ARGUMENT,
    "the request's first line is not valid; it is METHOD TARGET HTTP/1.1, with one space between them, "
    "ended by CRLF, and one empty line before it at most",
)
OTHER_VERSION = TollkeeperError(
    Reason.INVALID_ARGUMENT, "the version of HTTP is not spoken here; send HTTP/1.1 or HTTP/1.0"
)
LONG_LINE = TollkeeperError(
    Reason.HEADERS_TOO_LARGE,
    f"the request's first line is longer than {MAX_LINE_BYTES:,} bytes; shorten the query",
)
UNKNOWN_METHOD = invalid_argument("method", "is not one that is known here; send POST or GET, in capitals")
NO_HOST = invalid_argument("host", "must be sent once in a request of HTTP/1.1; send the host of the URL")
TWO_HOSTS = invalid_argument("host", "is given more than once; send it once")
WRONG_HOST = invalid_argument("host", "is no host name or address, with or without a port; correct it")
WRONG_TARGET = TollkeeperError(
    Reason.INVALID_ARGUMENT,
    "the request's target is not valid; send a path that begins with a slash",
    field="path",
)
WRONG_LENGTH = invalid_argument("content-length", "must be a number of bytes; send digits alone, 19 at most")
TWO_LENGTHS = invalid_argument("content-length", "is given more than once; send it once")
BOTH_FRAMINGS = invalid_argument(
    "content-length", "must not stand beside transfer-encoding; send one of them"
)
OTHER_CODING = invalid_argument(
    "transfer-encoding", "must be chunked and nothing else, in HTTP/1.1; send the body in chunks"
)
CHUNKED_ACCEPTED = invalid_argument("te", "must not name chunked, which is always accepted; leave it out")


def beginning_problem(begun: bytes) -> TollkeeperError | None:
    """Return what is wrong with the request line of a head, of which only this has come; None if nothing is.

    It looks no further than the line, so that a head in many pieces costs no more than that.
    """
    begun = begun[:MAX_LINE_BYTES]
    end = begun.find(b"\r\n", 2)
    if end < 0:
        if not _BEGINNING.fullmatch(begun if begun.startswith(b"\r") else b"\r\n" + begun):
            return WRONG_LINE
        return LONG_LINE if len(begun) == MAX_LINE_BYTES else None
    if LINE.match(begun):
        return None
    return OTHER_VERSION if _OTHER_LINE.match(begun) else WRONG_LINE


def breaks_strangely(piece: bytes) -> bool:
    """Return whether a CR or LF stands alone in a piece of a head, which begins behind no CR."""
    feeds, returns = piece.count(b"\n"), piece.count(b"\r") - piece.endswith(b"\r")
    return (feeds or returns) > 0 and not feeds == returns == piece.count(b"\r\n")


def host_problem(host: bytes) -> TollkeeperError | None:
    """Return what is wrong with the value of `Host`; None if nothing is (RFC 9110, 7.2).

    An authority may be a name of sub-delimiters by its grammar. None is, so that they are refused. Some
    clients leave the zone with an address of IPv6, which is this machine's or theirs alone (RFC 6874, 4).
    """
    authority = _AUTHORITY.fullmatch(host)
    if authority is None:
        return WRONG_HOST
    _, literal, port = authority.groups()
    if port and int(port) > _MAX_PORT:
        return WRONG_HOST
    if literal is not None:
        try:
            IPv6Address(literal.decode("ascii"))
        except ValueError:
            return WRONG_HOST
    return None


def target_problem(target: bytes, method: bytes) -> TollkeeperError | None:
    """Return what is wrong with a target that is no path (RFC 9112, 3.2).

    Where it is a URL, `Host` may name another host: the target's counts (RFC 9112, 3.2.2).
    """
    if method == b"CONNECT":
        return None if host_problem(target) is None else WRONG_TARGET
    if target == b"*":
        return None if method == b"OPTIONS" else WRONG_TARGET
    absolute = _ABSOLUTE.match(target)
    return WRONG_TARGET if absolute is None or host_problem(absolute[1]) is not None else None
