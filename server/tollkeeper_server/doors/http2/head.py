"""The head of a request over HTTP/2, as ASGI has it."""

from collections.abc import Iterable
from urllib.parse import unquote

from tollkeeper_server.dataplane.caller import LISTENER, Message
from tollkeeper_server.domain.headers import Header

_ASGI = {"version": "3.0", "spec_version": "2.3"}
# What a header takes beside its bytes: two objects, and the tuple of them.
_HEADER_BYTES = 150


def request_scope(
    fields: Iterable[Header], *, scheme: str, client: tuple[str, int] | None, listener: str
) -> tuple[Message, int]:
    """Return the scope that the fields of a head make, which h2 has checked, and what it takes of memory.

    The authority comes as the header `host`, as HTTP/1.1 has it (RFC 9113, 8.3.1), and cookies that come in
    several fields are one (8.2.3).
    """
    method, target, authority, host = b"", b"", None, b""
    headers: list[Header] = [(b"host", b"")]
    cookies: list[bytes] = []
    size = 0
    for name, value in fields:
        size += len(name) + len(value) + _HEADER_BYTES
        if name == b":method":
            method = bytes(value)
        elif name == b":path":
            target = bytes(value)
        elif name == b":authority":
            authority = bytes(value)
        elif name == b"host":
            host = bytes(value)
        elif name == b"cookie":
            cookies.append(bytes(value))
        elif not name.startswith(b":"):
            headers.append((bytes(name), bytes(value)))
    if cookies:
        headers.append((b"cookie", b"; ".join(cookies)))
    headers[0] = (b"host", host if authority is None else authority)
    raw_path, _, query = target.partition(b"?")
    path = raw_path.decode("latin-1")
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": "2",
        "method": method.decode("latin-1"),
        "scheme": scheme,
        "path": unquote(path) if "%" in path else path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": client,
        "extensions": {},
        LISTENER: listener,
    }, size
