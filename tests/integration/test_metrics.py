"""What `/metrics` says of a gateway is what was done with it."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tollkeeper import UsageEvent

from tests.integration.process import Gateway, Simulator, until
from tests.integration.wire import Headers, Wire, ask, bearer

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

MESSAGES = [{"role": "user", "content": "one two three"}]
MAIN, CONSOLE = "main", "console"


def scrape(gateway: Gateway) -> Samples:
    answer = httpx2.get(f"{gateway.console}/metrics", timeout=30)
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def total(samples: Samples, name: str, **labels: str) -> float:
    """Return the sum over the series that have these labels."""
    wanted = frozenset(labels.items())
    return sum(value for (found, has), value in samples.items() if found == name and wanted <= has)


def settled(gateway: Gateway, requests: int) -> Samples:
    """Wait until so many requests have ended, and returns what was counted."""

    def counted() -> Samples | None:
        samples = scrape(gateway)
        return samples if total(samples, "tollkeeper_http_requests_total") == requests else None

    found = until(counted)
    assert found is not None
    assert total(found, "tollkeeper_requests_in_flight") == 0
    return found


@pytest.fixture
def counting(tmp_path: Path, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway that nobody has asked for anything yet, and that knows llmproxy's names."""
    with Gateway(tmp_path, metrics_llmproxy_names="true") as running:
        running.serve_models(simulator)
        yield running


def test_what_was_done_is_counted(counting: Gateway) -> None:
    secret = counting.new_token()
    known = bearer(secret)

    def chat(url: str = counting.data, headers: Headers = (), **members: object) -> int:
        body = msgspec.json.encode({"model": "gpt-4o", "messages": MESSAGES} | members)
        sent = [known, ("content-type", "application/json"), *headers]
        return ask(url, "POST", "/v1/chat/completions", sent, body).status

    assert [chat(), chat(stream=True), chat(model="made-up-by-a-caller"), chat(counting.console)] == [200] * 4
    assert chat(model=5) == 400
    assert chat(headers=[("x-simulate", "status=429")]) == 429
    assert ask(counting.data, "GET", "/v1/models", [known]).status == 200
    assert ask(counting.data, "GET", "/v1/models", [bearer("sk-tk-unknown")]).status == 401
    assert ask(counting.data, "GET", "/a/path/of/a/caller", [known]).status == 404
    assert ask(counting.data, "PROPFIND", "/v1/models").status == 401

    samples = settled(counting, 10)
    chats = {"endpoint": "chat_completions", "method": "POST"}
    count = "tollkeeper_http_requests_total"
    assert total(samples, count, listener=MAIN, status="200", **chats) == 3
    assert total(samples, count, listener=CONSOLE, status="200", **chats) == 1
    assert total(samples, count, listener=MAIN, endpoint="models", method="GET", status="200") == 1
    assert total(samples, count, status="401") == 2
    assert total(samples, count, status="404", endpoint="") == 1
    assert total(samples, count, method="other", endpoint="models") == 1
    assert total(samples, "tollkeeper_http_request_duration_seconds_count", **chats) == 6
    errors = "tollkeeper_http_request_errors_total"
    assert total(samples, errors, error="invalid_api_key", status="401") == 2
    assert total(samples, errors, error="upstream_status", status="429") == 1
    assert total(samples, "tollkeeper_time_to_first_token_seconds_count", model="gpt-4o", upstream="sim") == 1
    assert total(samples, "tollkeeper_time_to_first_token_seconds_count") == 1
    assert total(samples, "llmproxy_http_requests_total", forward=MAIN, path="chat_completions") == 5

    assert total(samples, "tollkeeper_upstream_requests_total", upstream="sim") == 5
    assert total(samples, "tollkeeper_upstream_duration_seconds_count", upstream="sim") == 5
    assert total(samples, "tollkeeper_upstream_errors_total", upstream="sim") == 1
    assert total(samples, "tollkeeper_circuitbreaker_calls_total", upstream="sim", result="success") >= 4
    assert total(samples, "tollkeeper_circuitbreaker_state", upstream="sim") == 0
    assert total(samples, "tollkeeper_upstream_in_flight", upstream="sim") == 0

    events: list[UsageEvent] = until(lambda: found if len(found := counting.usage()) >= 7 else [])
    for kind in ("prompt", "completion", "cached", "reasoning"):
        used = sum(getattr(event, f"{kind}_tokens") for event in events)
        assert total(samples, "tollkeeper_tokens_total", kind=kind) == used
    assert total(samples, "tollkeeper_tokens_total", kind="prompt") > 0

    labels = {value for _, has in samples for _, value in has}
    assert {"gpt-4o", "*"} <= labels
    for written in ("made-up-by-a-caller", "/a/path/of/a/caller", "PROPFIND", secret):
        assert not any(written in value for value in labels)
    assert not any(value.startswith(("tok_", "prj_", "req_")) for value in labels)


def test_the_process_says_what_it_runs_on(gateway: Gateway) -> None:
    samples = scrape(gateway)
    assert 0 <= total(samples, "tollkeeper_snapshot_age_seconds") < 60
    assert total(samples, "tollkeeper_snapshot_revision") > 0
    assert 0 <= total(samples, "tollkeeper_usage_drain_lag_seconds") < 60
    assert total(samples, "tollkeeper_usage_journal_waiting") == 0
    assert total(samples, "tollkeeper_build_info") == 1
    before = total(samples, "tollkeeper_open_connections", listener=MAIN)
    with Wire(gateway.data) as wire:
        assert wire.ask("GET", "/v1/models").status == 401
        assert total(scrape(gateway), "tollkeeper_open_connections", listener=MAIN) >= max(before, 1)
    assert not any(name.startswith("llmproxy") for name, _ in samples)
