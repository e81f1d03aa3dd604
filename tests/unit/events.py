"""Usage events as the tests of metrics need them."""

from datetime import UTC, datetime

from tollkeeper_server.domain.usage import TokenCounts, UsageEvent


def ended(
    endpoint: str,
    status: int = 200,
    error: str = "",
    *,
    seconds: float = 0.3,
    upstream: str = "",
    tokens: TokenCounts = TokenCounts(),  # noqa: B008 - it is frozen
    first_byte: float = 0.0,
    streamed: bool = False,
) -> UsageEvent:
    """Return the event of a request that took some seconds."""
    return UsageEvent(
        id="req_1",
        request_id="req_1",
        project_id="prj_1",
        token_id="tok_1",
        model_asked="",
        model_served="",
        upstream=upstream,
        endpoint=endpoint,
        status=status,
        error_code=error,
        streamed=streamed,
        tokens=tokens,
        started_at=datetime(2026, 11, 21, 12, tzinfo=UTC),
        first_byte_us=round(first_byte * 1e6),
        duration_us=round(seconds * 1e6),
        request_bytes=0,
        response_bytes=0,
    )
