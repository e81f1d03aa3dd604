"""What is said of requests that are none, before the application hears of them."""

import msgspec

from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.http1.server.head import encode_head
from tollkeeper_server.providers.dialects import openai

MAX_HEAD_BYTES = 256 * 1024
"""The most a caller may send without ending a head. What is within, the application judges."""

NOT_HTTP = TollkeeperError(
    Reason.INVALID_ARGUMENT, "the request is not valid HTTP/1.1; check its first line, headers and framing"
)
ENDLESS_HEAD = TollkeeperError(
    Reason.HEADERS_TOO_LARGE, f"the request's head does not end within {MAX_HEAD_BYTES:,} bytes; send less"
)


def late_head(seconds: float) -> TollkeeperError:
    """Returns the error for a head that takes longer than it may."""
    return TollkeeperError(
        Reason.REQUEST_TIMEOUT, f"the request's head did not end within {seconds:g} seconds; send it whole"
    )


def refusal(error: TollkeeperError) -> tuple[bytes, bytes]:
    """Returns the head and the body of the answer that says so, after which the connection ends."""
    request_id = new_id(Prefix.REQUEST)
    body = msgspec.json.encode(openai.SURFACE.error(error, request_id))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
    ]
    return encode_head(error.outcome.http, headers), body
