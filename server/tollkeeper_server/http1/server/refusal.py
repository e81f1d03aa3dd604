"""Answers to requests that the application never sees."""

import msgspec

from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.errors import SHORTLY_SECONDS, Reason, TollkeeperError
from tollkeeper_server.http1.framing import encode_head
from tollkeeper_server.providers.dialects import openai

MAX_REQUEST_HEAD_BYTES = 256 * 1024
"""The most that a caller may send without ending a head.

More than the data plane lets pass, whose refusal of a complete head is in the caller's own shape.
"""
MAX_HEADERS = 500
"""The most headers of a request: each costs time and memory, however short it is."""

NOT_TLS = TollkeeperError(
    Reason.INVALID_ARGUMENT, "this port speaks TLS, and the request is not encrypted; use https://"
)
ENDLESS_HEAD = TollkeeperError(
    Reason.HEADERS_TOO_LARGE,
    f"the request's head does not end within {MAX_REQUEST_HEAD_BYTES:,} bytes; send less",
)
MANY_HEADERS = TollkeeperError(
    Reason.HEADERS_TOO_LARGE, f"the request has more than {MAX_HEADERS:,} headers; send fewer"
)
CROWDED = TollkeeperError(
    Reason.OVERLOADED,
    "there are too many connections, from this address or in all; use fewer, or try again shortly",
    retry_after=SHORTLY_SECONDS,
)
CROWDED_HEAD = TollkeeperError(
    Reason.HEADERS_TOO_LARGE,
    "this address sends more at once than can be held; send smaller headers, over fewer connections",
)


def late_head(seconds: float) -> TollkeeperError:
    """Return the error for a head that took longer than it may."""
    return TollkeeperError(
        Reason.REQUEST_TIMEOUT, f"the request's head did not end within {seconds:g} seconds; send it whole"
    )


def refusal(error: TollkeeperError) -> tuple[bytes, bytes]:
    """Return the head and the body of the answer that reports an error and ends the connection."""
    request_id = new_id(Prefix.REQUEST)
    body = msgspec.json.encode(openai.SURFACE.error(error, request_id))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
    ]
    should_retry = error.outcome.should_retry.value
    if should_retry is not None:
        headers.append((b"x-should-retry", should_retry.encode()))
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    return encode_head(error.outcome.http, headers), body
