"""What every answer of a provider carries, and whom it turns away."""

import math
from email.utils import formatdate

from tollkeeper_server.simulator.call import Call
from tollkeeper_server.simulator.reply import Dialect, HeaderPairs, RefusalError
from tollkeeper_server.simulator.request import Request
from tollkeeper_server.simulator.state import Allowance

_REQUESTS_PER_MINUTE = 10_000
_TOKENS_PER_MINUTE = 2_000_000


def greeting(call: Call, request_id: str, elapsed: float) -> HeaderPairs:
    """Returns the headers of an answer. `elapsed` is in seconds."""
    date = (b"date", formatdate(usegmt=True).encode())
    allowance = call.state.allowance
    limit = allowance.limit or _REQUESTS_PER_MINUTE
    remaining = allowance.remaining if allowance.limit else limit - 1
    if call.dialect is Dialect.ANTHROPIC:
        return (
            date,
            (b"request-id", request_id.encode()),
            (b"anthropic-organization-id", b"org-simulator"),
            (b"anthropic-ratelimit-requests-limit", b"%d" % limit),
            (b"anthropic-ratelimit-requests-remaining", b"%d" % remaining),
        )
    limits = (
        (b"x-ratelimit-limit-requests", b"%d" % limit),
        (b"x-ratelimit-remaining-requests", b"%d" % remaining),
        (b"x-ratelimit-reset-requests", b"6ms"),
        (b"x-ratelimit-limit-tokens", b"%d" % _TOKENS_PER_MINUTE),
        (b"x-ratelimit-remaining-tokens", b"%d" % _TOKENS_PER_MINUTE),
        (b"x-ratelimit-reset-tokens", b"0s"),
    )
    if call.dialect is Dialect.AZURE:
        own: HeaderPairs = ((b"apim-request-id", request_id.encode()), (b"x-ms-region", b"Simulated"))
    else:
        own = (
            (b"openai-organization", b"simulator"),
            (b"openai-processing-ms", b"%d" % (elapsed * 1000)),
            (b"openai-version", b"2020-10-01"),
        )
    return (date, (b"x-request-id", request_id.encode()), *own, *limits)


def refuse_key(call: Call) -> None:
    """Raises `RefusalError` 401 unless the caller has the configured key, if there is one."""
    expected = call.state.config.api_key
    if not expected:
        return
    given = _keys(call.request)
    if expected in given:
        return
    if call.dialect is Dialect.ANTHROPIC:
        raise RefusalError(401, "invalid x-api-key")
    if call.dialect is Dialect.AZURE:
        raise RefusalError(
            401,
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
            "valid key for an active subscription and use a correct regional API endpoint for your resource.",
        )
    if not given:
        raise RefusalError(401, "You didn't provide an API key.")
    raise RefusalError(401, f"Incorrect API key provided: {_masked(given[0])}.", code="invalid_api_key")


def _keys(request: Request) -> list[str]:
    scheme, _, bearer = request.header(b"authorization").partition(" ")
    found = [bearer.strip() if scheme.lower() == "bearer" else "", request.header(b"api-key")]
    return [key for key in (*found, request.header(b"x-api-key")) if key]


def _masked(key: str) -> str:
    # OpenAI repeats both ends of a wrong key; a gateway that passes this on shows them to its caller.
    return f"{key[:8]}{'*' * 12}{key[-4:]}" if len(key) > 16 else "*" * 12


def refuse_rate(allowance: Allowance) -> None:
    """Takes one request from the allowance; raises `RefusalError` 429 if none is left."""
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
