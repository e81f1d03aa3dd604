"""Counting: every request once, sums that agree with each other, and no more series than there may be."""

from bisect import bisect_left
from collections import Counter as Tally

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.usage import TokenCounts
from tollkeeper_server.telemetry.metrics import (
    BOUNDS,
    OTHER,
    UPSTREAM_STATUS,
    Histogram,
    Metrics,
    counters,
    histograms,
)

from tests.unit.events import ended

SECONDS = st.floats(0, 10_000) | st.sampled_from(BOUNDS)
LABELS = st.tuples(st.sampled_from("abcdefgh"), st.integers(200, 208))


def _end(
    metrics: Metrics,
    *,
    method: str = "POST",
    status: int = 200,
    error: str = "",
    upstream: str = "openai",
    tokens: TokenCounts = TokenCounts(),  # noqa: B008 - it is frozen
    first_byte: float = 0.0,
    streamed: bool = False,
) -> None:
    metrics.began("data")
    event = ended(
        "chat_completions",
        status,
        error,
        upstream=upstream,
        tokens=tokens,
        first_byte=first_byte,
        streamed=streamed,
    )
    metrics.ended("data", method, "gpt-*", event)


@given(st.lists(SECONDS))
def test_a_histogram_has_every_duration_in_the_bucket_it_belongs_to(durations: list[float]) -> None:
    histogram = Histogram()
    for seconds in durations:
        histogram.add(seconds)
    within = [sum(seconds <= bound for seconds in durations) for bound in BOUNDS]
    assert histogram.cumulated() == [*within, len(durations)]
    assert sum(histogram.buckets) == histogram.count == len(durations)
    assert histogram.seconds == sum(durations)


@given(st.lists(LABELS), st.integers(1, 12))
def test_a_family_is_bounded_and_loses_nothing(asked: list[tuple[str, int]], most: int) -> None:
    family = counters(most)
    for labels in asked:
        family[labels].value += 1
    first = list(dict.fromkeys(asked))[:most]
    expected = Tally(labels if labels in first else (OTHER, OTHER) for labels in asked)
    assert {labels: series.value for labels, series in family.items()} == expected
    assert len(family) <= most + 1


def test_histograms_are_bounded_too() -> None:
    family = histograms(2)
    for name in "abcd":
        family[name, name].add(1.0)
    assert {labels: series.count for labels, series in family.items()} == {
        ("a", "a"): 1,
        ("b", "b"): 1,
        (OTHER, OTHER): 2,
    }


def test_a_request_is_under_way_until_it_ends() -> None:
    metrics = Metrics()
    metrics.began("data")
    metrics.began("data")
    assert metrics.in_flight == {"data": 2}
    metrics.ended("data", "GET", "", ended("models"))
    assert metrics.in_flight == {"data": 1}


def test_a_request_is_counted_once_with_its_duration() -> None:
    metrics = Metrics()
    _end(metrics)
    _end(metrics, status=404, error="model_not_found")
    assert {labels: series.value for labels, series in metrics.requests.items()} == {
        ("data", "POST", "chat_completions", 200): 1,
        ("data", "POST", "chat_completions", 404): 1,
    }
    durations = metrics.request_durations["data", "POST", "chat_completions"]
    assert (durations.count, durations.seconds) == (2, 0.6)
    assert durations.buckets[bisect_left(BOUNDS, 0.3)] == 2


def test_a_failure_has_its_code_and_one_that_the_upstream_answered_says_so() -> None:
    metrics = Metrics()
    _end(metrics)
    _end(metrics, status=429)
    _end(metrics, status=200, error="upstream_stream_cut")
    assert {labels: series.value for labels, series in metrics.errors.items()} == {
        ("data", UPSTREAM_STATUS, 429): 1,
        ("data", "upstream_stream_cut", 200): 1,
    }


def test_a_method_that_somebody_made_up_is_no_label() -> None:
    metrics = Metrics()
    for number in range(50):
        _end(metrics, method=f"MADE-UP-{number}")
    assert list(metrics.requests) == [("data", OTHER, "chat_completions", 200)]
    assert list(metrics.request_durations) == [("data", OTHER, "chat_completions")]


def test_tokens_and_the_first_byte_of_streams_go_to_model_and_upstream() -> None:
    metrics = Metrics()
    used = TokenCounts(prompt=10, completion=5, cached=4, reasoning=2)
    _end(metrics, tokens=used, first_byte=0.2, streamed=True)
    _end(metrics, tokens=used, first_byte=0.2)
    _end(metrics, status=502, error="upstream_unreachable", streamed=True)
    metrics.used("gpt-*", "openai", TokenCounts(), 7)
    served = metrics.served["gpt-*", "openai"]
    assert (served.prompt, served.completion, served.cached, served.reasoning) == (20, 10, 8, 4)
    assert served.cost == 7
    assert (served.first_bytes.count, served.first_bytes.seconds) == (1, 0.2)


def test_what_no_upstream_served_belongs_to_none() -> None:
    metrics = Metrics()
    _end(metrics, upstream="", status=401, error="invalid_api_key")
    assert not metrics.served


def test_calls_of_upstreams_have_a_duration_and_failures_an_error() -> None:
    metrics = Metrics()
    metrics.called("all", "one", 0.5, "")
    metrics.called("all", "one", 1.5, "upstream_timeout")
    metrics.retried("all", "two")
    metrics.fell_back("gpt-4o", "gpt-4o-mini")
    metrics.matched("data", "all")
    metrics.rate_limited("data")
    metrics.breaker_changed("one", "closed", "open")
    metrics.breaker_result("one", "rejected")
    assert metrics.upstream_durations["all", "one"].count == 2
    assert metrics.upstream_errors["all", "one", "upstream_timeout"].value == 1
    assert metrics.retries["all", "two"].value == 1
    assert metrics.fallbacks["gpt-4o", "gpt-4o-mini"].value == 1
    assert metrics.matches["data", "all"].value == 1
    assert metrics.rate_limits[("data",)].value == 1
    assert metrics.breaker_changes["one", "closed", "open"].value == 1
    assert metrics.breaker_calls["one", "rejected"].value == 1
