"""A batch is charged all that it may use when it is made, and what it has used once its end is read."""

from collections.abc import Iterator

import pytest
from anthropic import Anthropic
from tollkeeper import (
    Confidence,
    DatedPrice,
    Deployment,
    Limit,
    LimitMeasure,
    LimitPeriod,
    PriceRates,
    ServicePrice,
    UsageEvent,
)

from tests.integration.batch_calls import ANTHROPIC, KINDS, REQUESTS, Caller, Kind
from tests.integration.process import Gateway, Simulator, until

HALF = ServicePrice(is_batch=True, rates=PriceRates(input=1, output=3))
PRICE = DatedPrice(rates=PriceRates(input=2, output=6), services=(HALF,))
MUCH = [
    Limit(LimitMeasure.TOKENS, 10**9, period=LimitPeriod.TOTAL),
    Limit(LimitMeasure.MONEY, 10**12, period=LimitPeriod.MONTH),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway with models that have a price for batches."""
    with Gateway(tmp_path_factory.mktemp("batches")) as running:
        running.serve_models(simulator)
        with running.management() as client:
            client.models.create(name="cheap", deployments=[Deployment("sim")], prices=[PRICE])
            client.models.create(
                name="claude-cheap", deployments=[Deployment("sim-anthropic")], prices=[PRICE]
            )
        yield running


def counted(site: Gateway, request_id: str, confidence: Confidence) -> UsageEvent:
    """Wait until the event of a request has counts of that confidence."""

    def find() -> UsageEvent | None:
        found = site.usage(request_id=request_id)
        return next((event for event in found if event.confidence is confidence), None)

    event = until(find)
    assert event is not None
    return event


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_it_did_not_use_is_given_back_when_its_end_is_read(site: Gateway, kind: Kind) -> None:
    minted = site.mint(limits=MUCH)
    caller = Caller(site, minted.token)
    made = caller.make(kind)
    assert made.status_code == 200, made.text
    request_id = made.headers["x-request-id"]

    reserved = caller.used()
    event = counted(site, request_id, Confidence.PENDING)
    assert (event.model_served, event.cost_nano_dollars) == (kind.model, None)
    prompt, answer = caller.end(kind, made.json()["id"])
    event = counted(site, request_id, Confidence.EXACT)
    spent = until(lambda: (now := caller.used()) != reserved and now)
    again = caller.end(kind, made.json()["id"])

    assert again == (prompt, answer)
    assert (event.prompt_tokens, event.completion_tokens) == (prompt, answer)
    assert event.cost_nano_dollars == prompt * 1_000 + answer * 3_000
    assert spent == {"tokens": prompt + answer, "money": event.cost_nano_dollars} == caller.used()
    assert reserved["tokens"] > spent["tokens"] > REQUESTS
    assert reserved["money"] > spent["money"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_one_that_may_use_more_than_is_left_is_not_made(
    site: Gateway, simulator: Simulator, kind: Kind
) -> None:
    caller = Caller(site, site.new_token(limits=MUCH))
    assert caller.make(kind).status_code == 200
    needed = caller.used()["tokens"]
    budget = Limit(LimitMeasure.TOKENS, 2 * needed - 1, period=LimitPeriod.TOTAL)
    caller = Caller(site, site.new_token(limits=[budget]))

    first = caller.make(kind)
    simulator.clear()
    second = caller.make(kind)

    assert (first.status_code, second.status_code) == (200, 429)
    assert second.json()["error"].get("code", "insufficient_quota") == "insufficient_quota"
    assert f"POST /v1{kind.path}" not in [f"{it.method} {it.path}" for it in simulator.requests()]
    assert caller.used()["tokens"] == needed
    caller.end(kind, first.json()["id"])
    until(lambda: caller.used()["tokens"] < needed)
    assert caller.make(kind).status_code == 200


def test_one_that_is_cancelled_costs_nothing(site: Gateway) -> None:
    kind = KINDS["Anthropic's, by its results"]
    caller = Caller(site, site.new_token(limits=MUCH))
    made = caller.make(kind)
    path = f"{kind.path}/{made.json()['id']}"

    assert caller.call("POST", f"{path}/cancel", ANTHROPIC).json()["processing_status"] == "canceling"
    assert caller.used()["tokens"] > 0
    assert caller.call("GET", path, ANTHROPIC).json()["processing_status"] == "ended"

    event = counted(site, made.headers["x-request-id"], Confidence.EXACT)
    assert (event.prompt_tokens, event.cost_nano_dollars) == (0, 0)
    until(lambda: set(caller.used().values()) == {0})


def test_anthropics_client_reads_the_results_through_the_gateway(site: Gateway) -> None:
    """It goes by the URL that the batch tells, and shows its token there."""
    token = site.new_token(limits=MUCH)
    kind = KINDS["Anthropic's, by its results"]
    made = Caller(site, token).make(kind)
    with Anthropic(base_url=site.data, auth_token=token, max_retries=0) as client:
        batches = client.messages.batches
        told = batches.retrieve(made.json()["id"]).results_url
        assert told == f"/v1/messages/batches/{made.json()['id']}/results"
        assert [it.results_url for it in batches.list()] == [told]
        results = [it.result for it in batches.results(made.json()["id"])]

    assert [it.type for it in results] == ["succeeded"] * REQUESTS
    used = sum(it.message.usage.input_tokens for it in results if it.type == "succeeded")
    event = counted(site, made.headers["x-request-id"], Confidence.EXACT)
    assert event.prompt_tokens == used > 0


def test_one_of_openais_that_is_cancelled_costs_nothing(site: Gateway) -> None:
    kind = KINDS["OpenAI's, by its sums"]
    caller = Caller(site, site.new_token(limits=MUCH))
    made = caller.make(kind)
    path = f"{kind.path}/{made.json()['id']}"

    assert caller.call("POST", f"{path}/cancel").json()["status"] == "cancelling"
    assert caller.call("GET", path).json()["status"] == "cancelled"

    counted(site, made.headers["x-request-id"], Confidence.EXACT)
    until(lambda: set(caller.used().values()) == {0})


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_one_without_a_budget_is_metered(site: Gateway, kind: Kind) -> None:
    caller = Caller(site, site.new_token())
    made = caller.make(kind)
    prompt, answer = caller.end(kind, made.json()["id"])
    event = counted(site, made.headers["x-request-id"], Confidence.EXACT)
    assert (event.prompt_tokens, event.completion_tokens) == (prompt, answer)
    assert event.cost_nano_dollars == prompt * 1_000 + answer * 3_000


def test_a_model_without_a_price_takes_no_budget_of_money(site: Gateway) -> None:
    for kind in (Kind("/batches", "unpriced"), Kind("/messages/batches", "claude-x", is_anthropics=True)):
        refused = Caller(site, site.new_token(limits=MUCH[1:])).make(kind)
        assert refused.status_code == 403
        assert kind.model in refused.json()["error"]["message"]


@pytest.mark.parametrize("amount", [10**9, 10])
def test_a_models_own_budget_holds_for_its_batches(site: Gateway, amount: int) -> None:
    name = f"limited-{amount}"
    with site.management() as client:
        client.models.create(
            name=name,
            deployments=[Deployment("sim")],
            limits=[Limit(LimitMeasure.TOKENS, amount, period=LimitPeriod.TOTAL)],
        )
    caller = Caller(site, site.new_token())
    kind = Kind("/batches", name)
    made = caller.make(kind)
    assert made.status_code == (200 if amount > 10 else 429)
    if amount > 10:
        reserved = caller.used()["tokens"]
        prompt, answer = caller.end(kind, made.json()["id"])
        until(lambda: caller.used()["tokens"] == prompt + answer < reserved)
