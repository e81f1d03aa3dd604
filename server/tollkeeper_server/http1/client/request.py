"""A request on the wire: its target, and its head as bytes."""

import re
from operator import itemgetter
from urllib.parse import urlsplit

from tollkeeper_server.dataplane.transport import ConnectError, Outgoing, Whole
from tollkeeper_server.domain.connect_failure import ConnectReason
from tollkeeper_server.http1.client.failure import connect_error
from tollkeeper_server.http1.framing import FRAMING, TOKEN_BYTES, join_head

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ANNOUNCE_NO_BODY = frozenset({"POST", "PUT", "PATCH"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_TARGET = re.compile(r"[\x00-\x20\x7f#]")
# The transport writes these itself.
_OWN = FRAMING | {b"host"}
_PORTS = {"http": 80, "https": 443}
# "https://" is this long: the first slash after it begins the path.
_PAST_SCHEME = 8
_name_of = itemgetter(0)


class Address:
    """Where an upstream listens: `host` for the resolver, `authority` for the header `host`."""

    __slots__ = ("authority", "host", "port", "tls")

    def __init__(self, *, host: str, port: int, tls: bool) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        name = f"[{host}]" if ":" in host else host
        default = _PORTS["https" if tls else "http"]
        self.authority = (name if port == default else f"{name}:{port}").encode("ascii")


def split_url(url: str) -> tuple[str, str]:
    """Return the part of a URL before its path, and the target to ask for there."""
    at = url.find("/", _PAST_SCHEME)
    if at >= 0 and "?" not in url:
        return url[:at], url[at:]
    mark = url.find("?", 0, at if at >= 0 else len(url))
    if mark >= 0:
        return url[:mark], "/" + url[mark:]
    return (url[:at], url[at:]) if at >= 0 else (url, "/")


def parse_base(base: str) -> Address:
    """Return the address in the part of a URL before its path. Raises `ConnectError`."""
    try:
        parts = urlsplit(base)
        port, host = parts.port, (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError as error:
        raise _unusable_base() from error
    odd = "@" in parts.netloc or parts.path or parts.query or parts.fragment
    if parts.scheme not in _PORTS or not host or odd or port == 0 or _NOT_IN_A_TARGET.search(base):
        raise _unusable_base()
    return Address(host=host, port=port or _PORTS[parts.scheme], tls=parts.scheme == "https")


def _unusable_base() -> ConnectError:
    return connect_error(ConnectReason.SETTINGS, words="the upstream's URL can't be used")


def _unusable_url() -> ConnectError:
    return ConnectError("the upstream's URL can't be used")


def _is_method(method: str) -> bool:
    # CONNECT asks for a tunnel, which only the transport itself does.
    return method != "CONNECT" and _TOKEN.fullmatch(method) is not None


def request_head(request: Outgoing, target: str, authority: bytes) -> bytes:
    """Return the request line and the headers, with the blank line after them.

    Raises `ConnectError` if anything in them would be read as more than it is: a line break or NUL, a
    name that is none, a space in the target, a framing of the caller's own.
    """
    method = request.method
    if method not in _METHODS and not _is_method(method):
        raise ConnectError("the request's method can't be sent")
    if not (target.isascii() and target.isprintable() and " " not in target and "#" not in target):
        _check_target(target)
    headers = request.headers
    names = [*map(_name_of, headers)]
    if b"".join(names).translate(None, TOKEN_BYTES) or b"" in names or not _OWN.isdisjoint(names):
        raise ConnectError("the request has a header name that can't be sent")
    lines = [
        f"{method} {target} HTTP/1.1".encode("latin-1"),
        b"host: " + authority,
        *map(b": ".join, headers),
    ]
    body = request.body
    if isinstance(body, Whole):
        if len(body) or method in _ANNOUNCE_NO_BODY:
            lines.append(b"content-length: %d" % len(body))
    elif request.length is not None:
        lines.append(b"content-length: %d" % request.length)
    else:
        lines.append(b"transfer-encoding: chunked")
    try:
        return join_head(lines)
    except ValueError:
        raise ConnectError("the request has a header value that can't be sent") from None


def _check_target(target: str) -> None:
    if _NOT_IN_A_TARGET.search(target) or not all(ord(character) < 256 for character in target):
        raise _unusable_url()
