"""The gateway's own answers: errors, and JSON."""

from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus

import msgspec

from tollkeeper_server.dataplane.budget.refusal import LimitError
from tollkeeper_server.dataplane.codings import TAKEN
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import PLAIN_HTTP, framed_twice
from tollkeeper_server.dataplane.request.body import discard_body
from tollkeeper_server.errors import Reason, ShouldRetry, TollkeeperError
from tollkeeper_server.snapshot.model import Header


async def send_error(exchange: Exchange, error: TollkeeperError) -> None:
    """Answer with an error, in the form that the caller's client knows."""
    outcome = error.outcome
    exchange.error_code = str(error.reason)
    headers: list[Header] = []
    if outcome.should_retry is not ShouldRetry.UNSTATED:
        headers.append((b"x-should-retry", outcome.should_retry.value.encode()))
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if error.reason is Reason.INVALID_API_KEY:
        headers.append((b"www-authenticate", b"Bearer"))
    if outcome.http == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append((b"allow", exchange.endpoint.methods.encode()))
    if error.reason is Reason.WEBSOCKET_NOT_SERVED:
        headers.extend(PLAIN_HTTP)
    if error.reason is Reason.UNSUPPORTED_CONTENT_ENCODING:
        headers.append((b"accept-encoding", TAKEN))  # RFC 9110, 15.5.16
    if isinstance(error, LimitError):
        headers.extend(error.headers)
    body = msgspec.json.encode(exchange.surface.error(error, exchange.request_id))
    await send_json(exchange, outcome.http, body, headers)


async def send_json(exchange: Exchange, status: int, body: bytes, headers: Sequence[Header] = ()) -> None:
    """Answer with JSON, or with status 204 with nothing, whether or not the request's body has arrived.

    The rest of a body is read and discarded, within bounds, before the answer ends: on HTTP/2, body data
    after the end of an answer can cost the whole connection.
    """
    exchange.status = status
    exchange.response_bytes = len(body)
    head: list[Header] = []
    if status != HTTPStatus.NO_CONTENT:
        head += (
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        )
    head += [
        (b"date", formatdate(usegmt=True).encode()),
        (b"x-request-id", exchange.request_id.encode()),
        *headers,
    ]
    waits_for_go_ahead = b"expect" in exchange.headers
    close = not exchange.body_read and exchange.scope["http_version"] != "2"
    beyond_discarding = close and (
        waits_for_go_ahead or exchange.declared_bytes > exchange.limits.discard_bytes
    )
    if beyond_discarding or framed_twice(exchange.headers):
        head.append((b"connection", b"close"))
    await exchange.send({"type": "http.response.start", "status": status, "headers": head})
    payload = b"" if exchange.method == "HEAD" else body
    if exchange.body_read or (close and waits_for_go_ahead):
        exchange.finished = True
        await exchange.send({"type": "http.response.body", "body": payload, "more_body": False})
        return
    await exchange.send({"type": "http.response.body", "body": payload, "more_body": True})
    await discard_body(exchange)
    exchange.finished = True
    await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})
