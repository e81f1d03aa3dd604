"""What a real gateway bills: by which price, told where, and found again for past requests."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tollkeeper import Client, DatedPrice, Deployment, PriceRates, PriceSource, UsageEvent

from tests.integration.process import Gateway, Simulator, until
from tests.integration.wire import ask, bearer

CHAT = "/v1/chat/completions"
JSON = ("content-type", "application/json")
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway whose configuration the tests may change."""
    with Gateway(tmp_path_factory.mktemp("prices")) as running:
        running.serve_models(simulator)
        yield running


@pytest.fixture
def client(site: Gateway) -> Iterator[Client]:
    """A client of its management plane."""
    with site.management() as connected:
        yield connected


def event_of(client: Client, request_id: str) -> UsageEvent:
    """Wait for the event of a request."""
    return until(lambda: next(iter(client.usage.events(request_id=request_id)), None) or None)  # type: ignore[return-value]


def dollars(rates: PriceRates, event: UsageEvent) -> int:
    """Return the nano-dollars that prompt and completion cost."""
    assert rates.input is not None
    assert rates.output is not None
    return round((event.prompt_tokens * rates.input + event.completion_tokens * rates.output) * 1_000)


def test_the_cost_is_told_and_found_again_when_the_price_changes(site: Gateway, client: Client) -> None:
    deployment = Deployment("sim", "gpt-4o-mini")
    first, second, theirs = (PriceRates(input=it, output=2 * it) for it in (1.0, 0.5, 0.25))
    client.models.create(name="priced", deployments=[deployment], prices=[DatedPrice(rates=first)])
    body = b'{"model":"priced","messages":[{"role":"user","content":"What does this cost?"}]}'
    began = datetime.now(UTC)
    answer = ask(site.data, "POST", CHAT, [bearer(site.new_token()), JSON], body)
    assert answer.status == 200
    event = event_of(client, answer.header("x-request-id") or "")
    assert event.cost_nano_dollars == dollars(first, event) > 0
    assert float(answer.header("x-tollkeeper-cost") or 0) * 1e9 == pytest.approx(event.cost_nano_dollars)

    priced = [*client.prices.list(model="priced")]
    assert [(it.source, it.upstream_model) for it in priced] == [(PriceSource.MODEL, "gpt-4o-mini")]
    assert [it.rates for it in priced[0].prices] == [first]
    client.models.update("priced", prices=[DatedPrice(rates=second)])
    client.models.update(
        "priced", deployments=[Deployment("sim", "gpt-4o-mini", 1, (DatedPrice(rates=theirs),))]
    )
    (priced_there,) = client.prices.list(model="priced")
    assert (priced_there.source, priced_there.prices[0].rates) == (PriceSource.DEPLOYMENT, theirs)

    asked = {"start_time": began - HOUR, "end_time": began + HOUR, "model": "priced"}
    (tried,) = client.prices.reprice(**asked, dry_run=True)  # type: ignore[arg-type]
    assert (tried.id, tried.changed_requests) == ("", 1)
    assert client.usage.get(event.id) == event
    (done,) = client.prices.reprice(**asked)  # type: ignore[arg-type]
    cost = dollars(theirs, event)
    assert (done.before_nano_dollars, done.after_nano_dollars) == (event.cost_nano_dollars, cost)
    assert client.usage.get(event.id).cost_nano_dollars == cost
    assert client.usage.summary(models=["priced"]).totals.cost_nano_dollars == cost
    assert next(iter(client.prices.repricings())) == done
    assert done.caller == "management token"


def test_explain_tells_the_price_that_would_be_billed(site: Gateway, client: Client) -> None:
    later = datetime(2200, 1, 1, tzinfo=UTC)
    usual, batch = (
        DatedPrice(rates=PriceRates(input=3)),
        DatedPrice(start_time=later, rates=PriceRates(input=9)),
    )
    client.models.create(name="explained", deployments=[Deployment("sim")], prices=[usual, batch])
    told = client.configuration.explain(token=site.new_token(), model="explained")
    assert told.billed is not None
    assert (told.billed.source, told.billed.prices) == (PriceSource.MODEL, (usual,))
    unknown = client.configuration.explain(token=site.new_token(), model="nobody-knows")
    assert unknown.billed is not None
    assert (unknown.billed.source, unknown.billed.upstream_model) == (PriceSource.NONE, "nobody-knows")
