"""Admission as providers do it: the API key and the rate limit of requests."""

import math

from tollkeeper_server.simulator.call import ApiCall
from tollkeeper_server.simulator.reply import Dialect, RefusalError
from tollkeeper_server.simulator.request import Request
from tollkeeper_server.simulator.state import Allowance


def check_key(call: ApiCall) -> None:
    """Raise `RefusalError` 401 if a key is configured and the caller does not present it."""
    expected = call.state.config.api_key
    if not expected:
        return
    presented = _keys(call.request)
    if expected in presented:
        return
    if call.dialect is Dialect.ANTHROPIC:
        raise RefusalError(401, "invalid x-api-key")
    if call.dialect is Dialect.AZURE:
        raise RefusalError(
            401,
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
            "valid key for an active subscription and use a correct regional API endpoint for your resource.",
        )
    if not presented:
        raise RefusalError(401, "You didn't provide an API key.")
    raise RefusalError(401, f"Incorrect API key provided: {_masked(presented[0])}.", code="invalid_api_key")


def _keys(request: Request) -> list[str]:
    scheme, _, bearer = request.header(b"authorization").partition(" ")
    found = [bearer.strip() if scheme.lower() == "bearer" else "", request.header(b"api-key")]
    return [key for key in (*found, request.header(b"x-api-key")) if key]


def _masked(key: str) -> str:
    # OpenAI repeats both ends of a wrong key; a gateway that passes the message on shows them to its caller.
    return f"{key[:8]}{'*' * 12}{key[-4:]}" if len(key) > 16 else "*" * 12


def check_rate(allowance: Allowance) -> None:
    """Take one request from the allowance. Raises `RefusalError` 429 if none is left."""
    wait = allowance.take()
    if not wait:
        return
    raise RefusalError(
        429,
        f"Rate limit reached for requests: limit {allowance.limit} per minute. "
        f"Please try again in {wait:.3f}s.",
        kind="requests",
        code="rate_limit_exceeded",
        headers=(
            (b"retry-after", b"%d" % math.ceil(wait)),
            (b"retry-after-ms", b"%d" % math.ceil(wait * 1000)),
        ),
    )
