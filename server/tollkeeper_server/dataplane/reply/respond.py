"""Answers of the gateway's own: errors in the shape the caller's SDK knows, and JSON."""

from collections.abc import Sequence
from email.utils import formatdate

import msgspec

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import framed_twice
from tollkeeper_server.dataplane.request.body import discard_body
from tollkeeper_server.errors import Outcome, Reason, ShouldRetry, TollkeeperError
from tollkeeper_server.snapshot.model import Header

# https://docs.anthropic.com/en/api/errors
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def error_object(error: TollkeeperError) -> dict[str, object]:
    """Returns the error as OpenAI's clients know it, without its envelope."""
    return {
        "message": error.message,
        "type": str(error.outcome.openai_type),
        "param": error.field,
        "code": str(error.reason),
    }


def error_body(error: TollkeeperError, exchange: Exchange) -> bytes:
    """Returns the JSON body that says what went wrong, in OpenAI's or Anthropic's shape."""
    if exchange.anthropic:
        return msgspec.json.encode(
            {
                "type": "error",
                "error": {"type": anthropic_type(error.outcome), "message": error.message},
                "request_id": exchange.request_id,
            }
        )
    return msgspec.json.encode({"error": error_object(error)})


def anthropic_type(outcome: Outcome) -> str:
    """Returns the error type that Anthropic uses for such a status."""
    default = "api_error" if outcome.http >= 500 else "invalid_request_error"
    return _ANTHROPIC_TYPES.get(outcome.http, default)


async def send_error(exchange: Exchange, error: TollkeeperError) -> None:
    """Answers with an error."""
    outcome = error.outcome
    exchange.error_code = str(error.reason)
    headers: list[Header] = []
    if outcome.should_retry is not ShouldRetry.UNSTATED:
        headers.append((b"x-should-retry", outcome.should_retry.value.encode()))
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if error.reason is Reason.INVALID_API_KEY:
        headers.append((b"www-authenticate", b"Bearer"))
    await send_json(exchange, outcome.http, error_body(error, exchange), headers)


async def send_json(exchange: Exchange, status: int, body: bytes, headers: Sequence[Header] = ()) -> None:
    """Answers with JSON, whether or not the request's body has arrived.

    What of it has not is read and discarded, within bounds, before the answer ends: on HTTP/2, body
    data after the end of an answer can cost the whole connection.
    """
    exchange.status = status
    exchange.response_bytes = len(body)
    head = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
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
