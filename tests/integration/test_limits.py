"""Limits hold for everybody at once: budgets are never overspent, and nothing is held once all is over."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tollkeeper import Deployment, Limit, LimitMeasure, LimitPeriod, LimitScope, Price, Provider, UsageEvent

from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator, until
from tests.integration.wire import Answer, Wire, ask, bearer, compose
from tests.servers.ports import free_port

JSON = ("content-type", "application/json")
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 64}
CALLERS = 24
WORTH = 50


def _chat(gateway: Gateway, secret: str, *, stream: bool = False, model: str = "gpt-4o") -> Answer:
    body = json.dumps(CHAT | {"model": model, "stream": stream}).encode()
    return ask(gateway.data, "POST", "/v1/chat/completions", [bearer(secret), JSON], body)


def _limits(gateway: Gateway, secret: str) -> dict[str, dict[str, object]]:
    answer = ask(gateway.data, "GET", "/v1/tollkeeper/limits", [bearer(secret)])
    assert answer.status == 200
    return {it["measure"]: it for it in json.loads(answer.body)["data"]}


def _at_once(gateway: Gateway, secret: str, calls: int) -> list[int]:
    def call(number: int) -> int:
        return _chat(gateway, secret, stream=number % 3 == 0).status

    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(call, range(calls)))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway of this module's own."""
    with Gateway(tmp_path_factory.mktemp("limits")) as running:
        running.serve_models(simulator)
        yield running


def _budget(measure: LimitMeasure, amount: int) -> Limit:
    return Limit(measure, amount, period=LimitPeriod.TOTAL)


def test_a_budget_of_requests_is_used_up_exactly(site: Gateway) -> None:
    secret = site.new_token(limits=[_budget(LimitMeasure.REQUESTS, WORTH)])

    statuses = _at_once(site, secret, 2 * WORTH)

    assert sorted(set(statuses)) == [200, 429]
    assert statuses.count(200) == WORTH
    state = _limits(site, secret)["requests"]
    assert (state["used"], state["held"], state["left"]) == (WORTH, 0, 0)
    refused = _chat(site, secret)
    assert json.loads(refused.body)["error"]["code"] == "insufficient_quota"
    assert refused.header("x-should-retry") == "false"


def test_a_budget_of_tokens_is_not_overspent(site: Gateway) -> None:
    once = site.mint(limits=[_budget(LimitMeasure.TOKENS, 10**6)])
    assert _chat(site, once.token).status == 200
    used = _limits(site, once.token)["tokens"]["used"]
    assert isinstance(used, int)
    amount = used * WORTH
    minted = site.mint(limits=[_budget(LimitMeasure.TOKENS, amount)])

    statuses = _at_once(site, minted.token, 3 * WORTH)

    state = until(lambda: _limits(site, minted.token)["tokens"])
    assert set(statuses) == {200, 429}
    assert isinstance(state["used"], int)
    assert state["held"] == 0
    assert 0 < state["used"] <= amount
    events = until(lambda: _all_of(site, minted.id, statuses.count(200)))
    assert sum(it.prompt_tokens + it.completion_tokens for it in events) == state["used"]


def _all_of(site: Gateway, token_id: str, served: int) -> list[UsageEvent]:
    events = [it for it in site.usage(token_id=token_id) if it.status == 200 and it.endpoint != "limits"]
    return events if len(events) == served else []


def test_a_budget_of_money_is_not_overspent(site: Gateway) -> None:
    """Also by a model that fails, in whose place a dearer one serves."""
    with site.management() as client:
        client.models.create(
            name="dear", deployments=[Deployment("sim")], price=Price(prompt=1000, completion=4000)
        )
        nobody = f"http://127.0.0.1:{free_port()}/v1"
        client.upstreams.create(name="nobody", provider=Provider.OPENAI, base_url=nobody, api_key="sk-none")
        client.models.create(
            name="gone",
            deployments=[Deployment("nobody")],
            fallbacks=["dear"],
            price=Price(prompt=1, completion=1),
        )
    minted = site.mint(limits=[_budget(LimitMeasure.MONEY, 10_000_000)])

    def call(number: int) -> int:
        return _chat(
            site, minted.token, stream=number % 3 == 0, model="dear" if number % 2 else "gone"
        ).status

    with ThreadPoolExecutor(CALLERS) as pool:
        statuses = list(pool.map(call, range(4 * WORTH)))

    state = _limits(site, minted.token)["money"]
    assert set(statuses) == {200, 429}
    assert state["held"] == 0
    assert isinstance(state["used"], int)
    assert 0 < state["used"] <= 10_000_000
    events = until(lambda: _all_of(site, minted.id, statuses.count(200)))
    assert sum(it.cost_nano_dollars or 0 for it in events) == state["used"]


def test_how_a_budget_stands_is_told_at_every_door(site: Gateway) -> None:
    minted = site.mint(limits=[Limit(LimitMeasure.REQUESTS, 20, period=LimitPeriod.MONTH, zone="Asia/Tokyo")])
    for _ in range(16):
        assert _chat(site, minted.token).status == 200
    admin = [bearer(MANAGEMENT_TOKEN)]
    path = f"/manage/limits?scope=token&scope_id={minted.id}"
    (rest,) = json.loads(ask(site.console, "GET", path, admin).body)["standings"]
    with site.management() as client:
        (told,) = client.limits.standings(LimitScope.TOKEN, minted.id).standings
        (notice,) = until(lambda: [it for it in client.limits.notices() if it.scope_id == minted.id])
        checked = client.configuration.explain(token=minted.id, model="gpt-4o", calls=5)
    assert (told.used, told.reserved, told.left, told.thresholds) == (16, 0, 4, (80,))
    assert (rest["used"], rest["left"], rest["thresholds"], rest["share"]) == (16, 4, [80], 0.8)
    assert (notice.percent, notice.limit, notice.period_start) == (80, told.limit, told.period_start)
    assert (checked.admitted, checked.admitted_calls) == (False, 4)
    assert checked.reservations[0].passes_at == told.resets_at
    told_caller = _chat(site, minted.token).header("x-tollkeeper-budget-used")
    assert told_caller == '80;scope="token";measure="requests"'


def test_callers_who_leave_are_settled_too(site: Gateway) -> None:
    """Some leave before their answer has come, some while it streams."""
    minted = site.mint(
        limits=[_budget(LimitMeasure.TOKENS, 5000), Limit(LimitMeasure.CONCURRENT_REQUESTS, 64)]
    )

    def call(number: int) -> None:
        if number % 3:
            _chat(site, minted.token, stream=number % 2 == 0)
            return
        body = json.dumps(CHAT | {"stream": number % 2 == 0}).encode()
        with Wire(site.data) as wire:
            wire.send(compose("POST", "/v1/chat/completions", [bearer(minted.token), JSON], body))

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(call, range(3 * WORTH)))

    until(lambda: all(it["held"] == 0 for it in _limits(site, minted.token).values()))
    used = _limits(site, minted.token)["tokens"]["used"]
    assert isinstance(used, int)
    assert 0 < used <= 5000
    until(lambda: _spent_of(site, minted.id) == used)


def _spent_of(site: Gateway, token_id: str) -> int:
    return sum(it.prompt_tokens + it.completion_tokens for it in site.usage(token_id=token_id))


def test_only_so_many_are_served_at_once_and_all_slots_come_back(site: Gateway) -> None:
    secret = site.new_token(limits=[Limit(LimitMeasure.CONCURRENT_REQUESTS, 2)])

    statuses = _at_once(site, secret, WORTH)

    assert set(statuses) <= {200, 429}
    assert statuses.count(200) >= 2
    state = _limits(site, secret)["concurrent_requests"]
    assert (state["held"], state["left"]) == (0, 2)


def test_a_limit_of_the_whole_gateway_holds_at_once_and_ends_at_once(site: Gateway) -> None:
    secret = site.new_token()
    with site.management() as client:
        client.gateway.update(limits=[Limit(LimitMeasure.REQUESTS_PER_MINUTE, 1, burst=1)])
        first, second = _chat(site, secret), _chat(site, secret)
        client.gateway.update(limits=[])
    assert (first.status, second.status) == (200, 429)
    assert first.header("x-ratelimit-limit-requests") == "1"
    assert "the gateway" in json.loads(second.body)["error"]["message"]
    assert int(second.header("retry-after") or 0) > 50
    assert _chat(site, secret).status == 200
