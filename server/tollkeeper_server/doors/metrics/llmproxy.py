"""The families that llmproxy's documentation lists, under llmproxy's names, for its dashboards."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from tollkeeper_server.doors.metrics.families import Sums, counters, counts, histograms, values
from tollkeeper_server.telemetry.metrics import Counter, Family, Gauges, Metrics


def llmproxy_pieces(metrics: Metrics, now: Gauges) -> Iterator[Metric]:
    """Yield the families; `now` has the base URLs of upstreams."""
    durations = list(metrics.request_durations.items())
    yield from counters(
        "llmproxy_http_requests",
        "As tollkeeper_http_requests_total; path is the endpoint.",
        ("forward", "method", "path"),
        counts(durations),
    )
    yield from histograms(
        "llmproxy_http_request_duration_seconds",
        "As tollkeeper_http_request_duration_seconds; path is the endpoint.",
        ("forward", "method", "path"),
        durations,
    )
    yield from counters(
        "llmproxy_http_request_errors",
        "As tollkeeper_http_request_errors_total.",
        ("forward", "error", "status"),
        values(metrics.errors),
    )
    yield from counters(
        "llmproxy_ratelimit", "As tollkeeper_ratelimit_total.", ("forward",), values(metrics.rate_limits)
    )
    yield from counters(
        "llmproxy_route_matches",
        "As tollkeeper_route_matches_total.",
        ("forward", "group"),
        values(metrics.matches),
    )
    calls = list(metrics.upstream_durations.items())
    yield from counters(
        "llmproxy_upstream_requests",
        "As tollkeeper_upstream_requests_total.",
        ("group", "upstream"),
        counts(calls),
    )
    yield from histograms(
        "llmproxy_upstream_duration_seconds",
        "As tollkeeper_upstream_duration_seconds.",
        ("group", "upstream"),
        calls,
    )
    yield from counters(
        "llmproxy_upstream_errors",
        "As tollkeeper_upstream_errors_total.",
        ("group", "upstream", "error"),
        values(metrics.upstream_errors),
    )
    # A breaker belongs to an upstream here, not to a group.
    yield from counters(
        "llmproxy_circuitbreaker_state_changes",
        "As tollkeeper_circuitbreaker_state_changes_total; url is the base URL, group empty.",
        ("group", "url", "upstream", "from", "to"),
        _with_url(metrics.breaker_changes, now),
    )
    yield from counters(
        "llmproxy_circuitbreaker_calls",
        "As tollkeeper_circuitbreaker_calls_total; url is the base URL, group empty.",
        ("group", "url", "upstream", "result"),
        _with_url(metrics.breaker_calls, now),
    )


def _with_url(family: Family[Counter], now: Gauges) -> Sums:
    return [
        (("", now.urls.get(str(labels[0]), ""), *labels), series.value) for labels, series in family.items()
    ]
