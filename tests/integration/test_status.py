"""How a real gateway is, over its doors, and what is done with its upstreams."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
from tollkeeper import Breaker, Client, Deployment, Price, Provider, TollkeeperError
from tollkeeper.values.status import AttentionKind, BreakerState, PartState, SettingSource

from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator
from tests.integration.wire import ask, bearer

CHAT = "/v1/chat/completions"
BODY = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'
JSON = ("content-type", "application/json")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway without an upstream."""
    with Gateway(tmp_path_factory.mktemp("status")) as running:
        yield running


def test_the_process_and_its_ports(fresh: Gateway) -> None:
    with fresh.management() as client:
        told, ports = client.status.get(), client.status.listeners()

    assert told.is_ready
    assert (told.store_engine, told.certificate) == ("sqlite", None)
    states = {it.part: it.state for it in told.parts}
    assert (states["store"], states["redis"]) == (PartState.OK, PartState.ABSENT)
    assert {it.name: it.address for it in ports} == {
        "main": fresh.data.removeprefix("http://"),
        "console": fresh.console.removeprefix("http://"),
        "grpc": fresh.grpc,
    }
    assert {it.process for it in ports} == {told.process}


def test_settings_come_with_their_source_and_without_secrets(fresh: Gateway) -> None:
    with fresh.management() as client:
        settings = {it.name: it for it in client.status.settings()}

    token = settings["management_token"]
    assert (token.source, token.value) == (SettingSource.ENVIRONMENT, "**********")
    assert MANAGEMENT_TOKEN not in repr(settings)
    assert settings["poll_seconds"].source is SettingSource.DEFAULT


def test_an_upstream_that_fails_is_seen_and_its_breaker_reset(fresh: Gateway, simulator: Simulator) -> None:
    with fresh.management() as client:
        assert [it.kind for it in client.status.attention()] == [AttentionKind.NO_UPSTREAM]
        brittle = Breaker(min_calls=1, threshold=1)
        client.upstreams.create(
            name="up",
            provider=Provider.OPENAI,
            base_url=f"http://{simulator.address}/v1",
            api_key="sk-anything",
            breaker=brittle,
        )
        price = Price(prompt=1, completion=1)
        client.models.create(name="m", deployments=[Deployment("up")], price=price)
        client.models.create(name="unpriced", deployments=[Deployment("up")])
        assert client.upstreams.test("up").passed
        assert "gpt-4o" in [it.name for it in client.upstreams.models("up")]
        (seen,) = client.status.upstreams()
        assert (seen.breaker, seen.recent_calls) == (BreakerState.CLOSED, 0)

        token = bearer(fresh.new_token())
        fails = ("x-simulate", "status=500")
        assert ask(fresh.data, "POST", CHAT, [token, JSON, fails], BODY).status == 500
        (opened,) = client.status.upstreams()
        assert (opened.breaker, opened.last_error) == (BreakerState.OPEN, "http_500")
        assert [(it.kind, it.subject) for it in client.status.attention()] == [
            (AttentionKind.BREAKER, "up"),
            (AttentionKind.UNPRICED, "unpriced"),
        ]
        assert ask(fresh.data, "POST", CHAT, [token, JSON], BODY).status == 503

        client.upstreams.reset_breaker("up")
        assert ask(fresh.data, "POST", CHAT, [token, JSON], BODY).status == 200
        (closed,) = client.status.upstreams()
        assert (closed.breaker, closed.recent_calls, closed.success_share) == (BreakerState.CLOSED, 2, 0.5)
        assert closed.p50_duration == closed.p95_duration is not None


def test_a_breaker_is_watched_as_it_opens_probes_and_closes(fresh: Gateway, simulator: Simulator) -> None:
    token, fails = bearer(fresh.new_token()), ("x-simulate", "status=500")
    body = BODY.replace(b'"m"', b'"watched"')
    seen: list[BreakerState] = []
    attention: list[str] = []
    changed = threading.Event()

    def follow(client: Client) -> None:
        with suppress(TollkeeperError):  # the client is closed at the end
            for news in client.status.watch():
                states = [it.breaker for it in news.upstreams if it.name == "watched"]
                seen.extend(state for state in states if state not in seen[-1:])
                if news.attention_changed:
                    attention[:] = [it.subject for it in news.attention if it.kind is AttentionKind.BREAKER]
                changed.set()

    def until_told(is_so: Callable[[], bool]) -> None:
        while not is_so():
            assert changed.wait(20)
            changed.clear()

    with fresh.management() as client, fresh.management() as watching:
        follower = threading.Thread(target=follow, args=(watching,), daemon=True)
        follower.start()
        client.upstreams.create(
            name="watched",
            provider=Provider.OPENAI,
            base_url=f"http://{simulator.address}/v1",
            api_key="sk-anything",
            breaker=Breaker(min_calls=1, threshold=1, cooldown=timedelta(hours=1)),
        )
        client.models.create(name="watched", deployments=[Deployment("watched")])
        until_told(lambda: seen == [BreakerState.CLOSED])
        assert ask(fresh.data, "POST", CHAT, [token, JSON, fails], body).status == 500
        until_told(lambda: seen == [BreakerState.CLOSED, BreakerState.OPEN] and attention == ["watched"])
        # The end of the cooldown makes it half open, though nobody calls.
        brief = Breaker(min_calls=1, threshold=1, cooldown=timedelta(milliseconds=1))
        client.upstreams.update("watched", breaker=brief)
        until_told(lambda: seen[2:] == [BreakerState.HALF_OPEN])
        assert ask(fresh.data, "POST", CHAT, [token, JSON], body).status == 200
        until_told(lambda: seen[3:] == [BreakerState.CLOSED] and not attention)
        watching.close()
        follower.join()


def test_rest_has_the_same(fresh: Gateway) -> None:
    admin = [bearer(MANAGEMENT_TOKEN)]
    assert ask(fresh.console, "GET", "/manage/status", admin).json()["is_ready"] is True
    for part in ("upstreams", "listeners", "settings", "attention"):
        answer = ask(fresh.console, "GET", f"/manage/status/{part}", admin)
        assert answer.status == 200
        assert answer.body.startswith(b"[")
    assert ask(fresh.console, "GET", "/manage/status", []).status == 401
