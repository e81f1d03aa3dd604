"""Which headers pass: end-to-end ones do.

Those for one hop, the caller's token, what proxies say of the caller and what an upstream says of its account
do not.
"""

from collections.abc import Iterable, Mapping
from itertools import chain

from tollkeeper_server.dataplane.caller import MAX_HEADER_BYTES
from tollkeeper_server.dataplane.codings import IDENTITY, list_codings
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.domain.headers import (
    AI_GATEWAY_PREFIX,
    GO_AHEAD,
    HOP_BY_HOP,
    NETWORK,
    NETWORK_PREFIXES,
    OF_UPSTREAM,
    Header,
    expectations,
)
from tollkeeper_server.domain.upstream import HeaderAction
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.providers.registry import CREDENTIAL_HEADERS, SETTING_HEADERS
from tollkeeper_server.snapshot.model import Target

COST_HEADER = b"x-tollkeeper-cost"
"""What an answer costs here in dollars: an upstream that is a gateway says what it costs there."""
_HOP_BY_HOP = frozenset(name.encode() for name in HOP_BY_HOP)
# The caller's token, settings that go with the provider's credential and so are the administrator's to
# make, and the gateway's own framing.
_OWN = {name.encode() for name in CREDENTIAL_HEADERS | SETTING_HEADERS | NETWORK} | {
    b"host",
    b"content-length",
    b"expect",
    b"x-request-id",
    # Some servers take a POST with one of these for another method, such as a GET of a list.
    b"x-http-method",
    b"x-http-method-override",
    b"x-method-override",
}
_DROPPED = _HOP_BY_HOP | _OWN
_DROPPED_FOR_PLAIN = _DROPPED | {b"accept-encoding"}
_NETWORK_PREFIXES = tuple(prefix.encode() for prefix in NETWORK_PREFIXES)
_AI_GATEWAY_PREFIX = AI_GATEWAY_PREFIX.encode()
_OF_UPSTREAM = frozenset(name.encode() for name in OF_UPSTREAM)
_NOT_ANSWERED = _HOP_BY_HOP | _OF_UPSTREAM | {b"x-request-id", COST_HEADER}
_NOT_ANSWERED_STREAMED = _NOT_ANSWERED | {b"content-length"}

PLAIN_HTTP: tuple[Header, ...] = ((b"upgrade", b"HTTP/1.1"), (b"connection", b"upgrade"))
"""What a refusal with 426 must say (RFC 9110, 15.5.22)."""

_ONE_ONLY = (b"content-type", b"content-encoding", b"content-length")

_FORBIDDEN = bytes({*range(32), 127} - {9})


def check_headers(received: Iterable[Header]) -> None:
    """Raise HEADERS_TOO_LARGE, or INVALID_ARGUMENT if one has a line break or control character."""
    together = b"".join(chain.from_iterable(received))
    if len(together) > MAX_HEADER_BYTES:
        raise TollkeeperError(
            Reason.HEADERS_TOO_LARGE,
            f"the request's headers are larger than {MAX_HEADER_BYTES:,} bytes; send less",
        )
    if len(together.translate(None, _FORBIDDEN)) != len(together):
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT,
            "a header has a line break or another control character; remove it",
            field="headers",
        )


def check_repeated(received: Iterable[Header]) -> None:
    """Raise INVALID_ARGUMENT if a header that says how to read the body is given twice.

    One server reads the first of them, another the last.
    """
    names = [name for name, _ in received if name in _ONE_ONLY]
    for name in _ONE_ONLY:
        if names.count(name) > 1:
            raise invalid_argument(name.decode(), "is given more than once; send it once")


def check_framing(headers: Mapping[bytes, bytes]) -> None:
    """Raise INVALID_ARGUMENT if the headers do not say in one way where the body ends (RFC 9112, 6.3).

    A server in front of this one may have gone by another way, and seen two requests.
    """
    length = headers.get(b"content-length")
    if length is not None and not length.isdigit():
        raise invalid_argument("content-length", "must be a number of bytes; send digits alone")
    if b"transfer-encoding" not in headers:
        return
    coding = headers[b"transfer-encoding"]
    if length is not None:
        raise two_framings()
    # Another coding is not undone here, and upstreams are not told of it.
    if [name for name in map(bytes.strip, coding.lower().split(b",")) if name] != [b"chunked"]:
        raise invalid_argument(
            "transfer-encoding", "must be chunked and nothing else; send the body in chunks"
        )


def two_framings() -> TollkeeperError:
    """Return the error for a request with both headers that frame a body."""
    return TollkeeperError(
        Reason.INVALID_ARGUMENT,
        "content-length and transfer-encoding contradict each other; send one of them",
        field="content-length",
    )


def check_expectation(received: Iterable[Header], http_version: str) -> None:
    """Raise EXPECTATION_FAILED for what the gateway can't do (RFC 9110, 10.1.1); HTTP/1.0 has no `Expect`."""
    if not expectations(received) <= {GO_AHEAD} and http_version != "1.0":
        raise TollkeeperError(
            Reason.EXPECTATION_FAILED,
            "the only expectation that can be met here is 100-continue; leave the header expect out",
            field="expect",
        )


def check_upgrade(method: str, headers: Mapping[bytes, bytes]) -> None:
    """Raise WEBSOCKET_NOT_SERVED for the handshake of a WebSocket (RFC 6455, 4.1)."""
    if method == "GET" and b"websocket" in headers.get(b"upgrade", b"").lower():
        raise no_websockets()


def no_websockets() -> TollkeeperError:
    """Return the error for the handshake of a WebSocket: clients then send the same over HTTP."""
    return TollkeeperError(
        Reason.WEBSOCKET_NOT_SERVED,
        "WebSockets are not served here; send the request over HTTP, such as POST /v1/responses",
    )


def framed_twice(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether both headers that frame a body are there."""
    return b"transfer-encoding" in headers and b"content-length" in headers


def named_by_connection(headers: Iterable[Header]) -> frozenset[bytes]:
    """Return the names that `Connection` declares to be hop-by-hop, beyond those that always are."""
    values = [value for name, value in headers if name == b"connection"]
    return frozenset(name.strip().lower() for value in values for name in value.split(b",")) - _HOP_BY_HOP


def request_headers(exchange: Exchange, target: Target, *, plain: bool) -> list[Header]:
    """Return the headers to send upstream, but for host, length and credential.

    `plain` asks for an answer without content coding, so that it can be metered. A request id goes up only
    if the caller chose it, or the upstream has a header for it: some servers refuse one that is not in their
    own form.
    """
    received: list[Header] = exchange.scope["headers"]
    dropped = _DROPPED_FOR_PLAIN if plain else _DROPPED
    if b"connection" in exchange.headers and (named := named_by_connection(received)):
        dropped |= named
    own_names = target.own_names
    headers = [
        header
        for header in received
        if (name := header[0]) not in dropped
        and name not in own_names
        and not (name.startswith(_NETWORK_PREFIXES) and not name.startswith(_AI_GATEWAY_PREFIX))
    ]
    if plain:
        headers.append((b"accept-encoding", b"identity"))
    if name := target.request_id_header:
        headers.append((name, exchange.request_id.encode()))
    if exchange.chose_id and name != b"x-request-id":
        headers.append((b"x-request-id", exchange.request_id.encode()))
    headers.extend(target.headers)
    if target.fallback_headers:
        sent = {name for name, _ in headers}
        headers.extend(header for header in target.fallback_headers if header[0] not in sent)
    return headers


def operate(headers: list[Header], operations: Iterable[tuple[HeaderAction, bytes, bytes]]) -> list[Header]:
    """Return the headers after an upstream's operations, one after the other."""
    for action, name, value in operations:
        if action is HeaderAction.INSERT:
            if all(header[0] != name for header in headers):
                headers = [*headers, (name, value)]
            continue
        headers = [header for header in headers if header[0] != name]
        if action is HeaderAction.REPLACE:
            headers.append((name, value))
    return headers


def lowered(received: Iterable[Header]) -> list[Header]:
    """Return headers with their names in lower case."""
    return [(name.lower(), value) for name, value in received]


def content_coding(received: Iterable[Header]) -> bytes:
    """Return the content coding of an answer in lower case, `identity` if it names none.

    Several are a list with commas, in the order in which they were applied.
    """
    values = [value for name, value in received if name.lower() == b"content-encoding"]
    return b",".join(list_codings(values)) or IDENTITY


def response_headers(
    received: list[Header], request_id: str, *, drop_length: bool, passed: frozenset[bytes] = frozenset()
) -> list[Header]:
    """Return the headers to answer with: the upstream's end-to-end ones and the request's id.

    Names must be in lower case. `passed` are those of OF_UPSTREAM that pass. The upstream's own request id
    becomes `x-upstream-request-id`.
    """
    dropped = _NOT_ANSWERED_STREAMED if drop_length else _NOT_ANSWERED
    if passed:
        dropped -= passed & _OF_UPSTREAM
    headers = [header for header in received if header[0] not in dropped]
    if len(headers) != len(received):
        names = dict(received)
        if b"connection" in names and (named := named_by_connection(received)):
            headers = [header for header in headers if header[0] not in named]
        if b"x-request-id" in names:
            theirs = [value for name, value in received if name == b"x-request-id"]
            headers.extend((b"x-upstream-request-id", value) for value in theirs)
    headers.append((b"x-request-id", request_id.encode()))
    return headers
