"""The headers that a provider puts on every answer."""

from email.utils import formatdate

from tollkeeper_server.simulator.call import ApiCall
from tollkeeper_server.simulator.reply import Dialect, HeaderPairs

_REQUESTS_PER_MINUTE = 10_000
_TOKENS_PER_MINUTE = 2_000_000


def answer_headers(call: ApiCall, request_id: str, elapsed: float) -> HeaderPairs:
    """Return the headers of an answer; `elapsed` is the seconds since the request began."""
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
