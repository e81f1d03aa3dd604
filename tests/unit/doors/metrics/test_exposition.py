"""`/metrics`: read back with Prometheus's own parser, whole, in either format, while the loop goes on."""

import asyncio
import itertools
from collections.abc import Iterable

import httpx2
import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from tollkeeper_server.domain.usage import TokenCounts
from tollkeeper_server.telemetry.metrics import BOUNDS, Gauges, Metrics

from tests.unit.doors.doors import exposition
from tests.unit.events import ended

OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def _busy() -> Metrics:
    metrics = Metrics()
    metrics.began("data")
    for status, error in ((200, ""), (200, ""), (502, "upstream_unreachable")):
        metrics.began("data")
        used = TokenCounts(prompt=10, completion=5, cached=4, reasoning=2) if status == 200 else TokenCounts()
        event = ended(
            "chat_completions",
            status,
            error,
            upstream="one",
            tokens=used,
            first_byte=0.2,
            streamed=True,
        )
        metrics.ended("data", "POST", 'a"b\\c\n*', event)
        metrics.called("all", "one", 0.25, error)
        metrics.breaker_result("one", "failure" if error else "success")
    metrics.matched("data", "all")
    metrics.rate_limited("data")
    metrics.retried("all", "one")
    metrics.fell_back("gpt-4o", "gpt-4o-mini")
    metrics.breaker_changed("one", "closed", "open")
    return metrics


GAUGES = Gauges(
    snapshot_revision=7,
    snapshot_age=0.5,
    journal_waiting=3,
    journal_skipped=1,
    drain_lag=2.5,
    ledger_is_shared=True,
    breakers={"one": "open", "two": "half_open", "three": "closed"},
    calls={"one": 4},
    urls={"one": "https://one.test/v1"},
    connections={"data": 9},
    refused={("data", "address"): 5, ("data", "stuck"): 1},
)


async def _scrape(metrics: Metrics, accept: str = "", *, llmproxy_names: bool = False) -> list[Metric]:
    answer = await exposition(metrics, GAUGES, llmproxy_names=llmproxy_names).answer(accept)
    text = answer.body.decode()
    if "openmetrics" in accept:
        return list(parse_openmetrics(text))  # type: ignore[no-untyped-call]  # it has no types
    return list(parse_text(text))


def _samples(families: Iterable[Metric]) -> Samples:
    found: Samples = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def _value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


@pytest.mark.parametrize("accept", ["", "text/plain", "*/*", OPENMETRICS])
async def test_everything_counted_is_shown(accept: str) -> None:
    samples = _samples(await _scrape(_busy(), accept))
    request = {"listener": "data", "method": "POST", "endpoint": "chat_completions"}
    assert _value(samples, "tollkeeper_http_requests_total", **request, status="200") == 2
    assert _value(samples, "tollkeeper_http_requests_total", **request, status="502") == 1
    assert _value(samples, "tollkeeper_http_request_duration_seconds_count", **request) == 3
    assert _value(samples, "tollkeeper_http_request_duration_seconds_bucket", **request, le="0.25") == 0
    assert _value(samples, "tollkeeper_http_request_duration_seconds_bucket", **request, le="0.5") == 3
    failure = {"listener": "data", "error": "upstream_unreachable", "status": "502"}
    assert _value(samples, "tollkeeper_http_request_errors_total", **failure) == 1
    assert _value(samples, "tollkeeper_requests_in_flight", listener="data") == 1
    assert _value(samples, "tollkeeper_open_connections", listener="data") == 9
    assert _value(samples, "tollkeeper_connections_refused_total", port="data", reason="address") == 5
    assert _value(samples, "tollkeeper_ratelimit_total", listener="data") == 1
    assert _value(samples, "tollkeeper_route_matches_total", listener="data", group="all") == 1
    assert _value(samples, "tollkeeper_fallbacks_total", model="gpt-4o", to="gpt-4o-mini") == 1
    served = {"model": 'a"b\\c\n*', "upstream": "one"}
    assert _value(samples, "tollkeeper_time_to_first_token_seconds_count", **served) == 3
    kinds = {"prompt": 20, "completion": 10, "cached": 8, "reasoning": 4}
    for kind, count in kinds.items():
        assert _value(samples, "tollkeeper_tokens_total", **served, kind=kind) == count
    call = {"group": "all", "upstream": "one"}
    assert _value(samples, "tollkeeper_upstream_requests_total", **call) == 3
    assert _value(samples, "tollkeeper_upstream_duration_seconds_sum", **call) == 0.75
    assert _value(samples, "tollkeeper_upstream_errors_total", **call, error="upstream_unreachable") == 1
    assert _value(samples, "tollkeeper_upstream_retries_total", **call) == 1
    assert _value(samples, "tollkeeper_upstream_in_flight", upstream="one") == 4
    changed = {"upstream": "one", "from": "closed", "to": "open"}
    assert _value(samples, "tollkeeper_circuitbreaker_state_changes_total", **changed) == 1
    assert _value(samples, "tollkeeper_circuitbreaker_calls_total", upstream="one", result="success") == 2
    assert _value(samples, "tollkeeper_circuitbreaker_calls_total", upstream="one", result="failure") == 1
    states = {
        name: _value(samples, "tollkeeper_circuitbreaker_state", upstream=name) for name in GAUGES.breakers
    }
    assert states == {"one": 2, "two": 1, "three": 0}
    assert _value(samples, "tollkeeper_snapshot_revision") == 7
    assert _value(samples, "tollkeeper_snapshot_age_seconds") == 0.5
    assert _value(samples, "tollkeeper_usage_journal_waiting") == 3
    assert _value(samples, "tollkeeper_usage_journal_skipped") == 1
    assert _value(samples, "tollkeeper_ledger_is_shared") == 1
    assert _value(samples, "tollkeeper_usage_drain_lag_seconds") == 2.5
    assert _value(samples, "tollkeeper_build_info", version="1.2.3") == 1
    assert not any(name.startswith("llmproxy") for name, _ in samples)


async def test_every_family_is_explained_even_before_anything_was_counted() -> None:
    families = await _scrape(Metrics())
    assert all(family.documentation for family in families)
    assert len([family for family in families if family.name.startswith("tollkeeper_")]) >= 24


async def test_the_names_of_llmproxy_are_there_if_asked_for() -> None:
    samples = _samples(await _scrape(_busy(), llmproxy_names=True))
    request = {"forward": "data", "method": "POST", "path": "chat_completions"}
    assert _value(samples, "llmproxy_http_requests_total", **request) == 3
    assert _value(samples, "llmproxy_http_request_duration_seconds_count", **request) == 3
    failure = {"forward": "data", "error": "upstream_unreachable", "status": "502"}
    assert _value(samples, "llmproxy_http_request_errors_total", **failure) == 1
    assert _value(samples, "llmproxy_ratelimit_total", forward="data") == 1
    assert _value(samples, "llmproxy_route_matches_total", forward="data", group="all") == 1
    call = {"group": "all", "upstream": "one"}
    assert _value(samples, "llmproxy_upstream_requests_total", **call) == 3
    assert _value(samples, "llmproxy_upstream_duration_seconds_count", **call) == 3
    assert _value(samples, "llmproxy_upstream_errors_total", **call, error="upstream_unreachable") == 1
    breaker = {"group": "", "upstream": "one", "url": "https://one.test/v1"}
    changed = breaker | {"from": "closed", "to": "open"}
    assert _value(samples, "llmproxy_circuitbreaker_state_changes_total", **changed) == 1
    assert _value(samples, "llmproxy_circuitbreaker_calls_total", **breaker, result="success") == 2


async def test_the_process_tells_of_itself() -> None:
    names = {family.name for family in await _scrape(Metrics())}
    assert {"python_info", "python_gc_collections"} <= names


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_thousands_of_series_come_whole_and_in_small_pieces(accept: str) -> None:
    metrics = Metrics()
    for number in range(1_000):
        metrics.upstream_durations["all", f"upstream-{number}"].add(0.1)
    for number in range(10_000):
        metrics.retries["all", f"upstream-{number}"].value += number
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(turn())
    samples = _samples(await _scrape(metrics, accept))
    other.cancel()

    for number in range(10_000):
        labels = {"group": "all", "upstream": f"upstream-{number}"}
        assert _value(samples, "tollkeeper_upstream_retries_total", **labels) == number
        if number < 1_000:
            assert _value(samples, "tollkeeper_upstream_duration_seconds_bucket", **labels, le="+Inf") == 1
    # Whatever else the loop had to do had its turn after every few hundred samples.
    assert turns >= (10_000 + 1_000 * (len(BOUNDS) + 3)) / 300


async def test_what_is_counted_during_a_scrape_does_not_disturb_it() -> None:
    metrics = Metrics()
    for number in range(500):
        metrics.upstream_durations["all", f"upstream-{number}"].add(0.1)

    async def count() -> None:
        for number in itertools.count():
            metrics.upstream_durations["all", f"upstream-{number % 500}"].add(0.1)
            metrics.upstream_durations["new", f"upstream-{number}"].add(0.1)
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    samples = _samples(await _scrape(metrics))
    other.cancel()
    name = "tollkeeper_upstream_duration_seconds"
    for number in range(500):
        labels = {"group": "all", "upstream": f"upstream-{number}"}
        last = _value(samples, f"{name}_bucket", **labels, le="+Inf")
        assert last == _value(samples, f"{name}_count", **labels) >= 1


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text; version=banana",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
async def test_a_scraper_is_served_what_it_accepts(
    http: httpx2.AsyncClient, accept: str, content_type: str
) -> None:
    answer = await http.get("/metrics", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    assert answer.text.endswith("# EOF\n") == ("openmetrics" in accept)
    assert (await http.post("/metrics")).status_code == 405
