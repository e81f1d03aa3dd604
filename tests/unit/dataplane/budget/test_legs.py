"""What a request may lead to is remembered, at the prices that hold when it began."""

from datetime import UTC, datetime, timedelta

from tollkeeper_server.dataplane.budget.legs import Legs
from tollkeeper_server.dataplane.route import Destination
from tollkeeper_server.domain.price import DatedPrice, PriceRates, ServicePrice
from tollkeeper_server.prices.most import Most
from tollkeeper_server.snapshot.prices import dated_price

from tests.unit.dataplane.configured import member_on, route, snapshot, target, token
from tests.unit.dataplane.exchanges import exchange

RISE = datetime(2026, 12, 1, tzinfo=UTC)
RISEN = dated_price([DatedPrice(start_time=RISE, rates=PriceRates(input=1000, output=1000))])


def test_a_price_is_in_force_from_its_first_microsecond_on() -> None:
    openai = target("openai", prices="openai")
    configured = snapshot(
        route("m", member_on(openai, "gpt-4o"), own_price=RISEN), targets={"openai": openai}
    )
    legs = Legs()

    def cost(at: datetime) -> int | None:
        asked = exchange(configuration=configured)
        asked.started_at, asked.route_name, asked.model_served = at, "m", "m"
        found = configured.routes["m"]
        (leg,) = legs.of(asked, Destination(found.pool, found), token())
        return leg.cost(Most(prompt=1_000_000), at.timestamp())

    before = cost(RISE - timedelta(microseconds=1))
    assert before is not None
    assert before < 100_000_000_000
    assert cost(RISE) == 1000_000_000_000
    assert cost(RISE - timedelta(microseconds=1)) == before


def test_a_leg_is_reserved_at_the_dearest_service_of_a_price_that_was_given() -> None:
    dear = ServicePrice(tier="priority", rates=PriceRates(output=500))
    given = dated_price([DatedPrice(rates=PriceRates(input=1, output=1), services=(dear,))])
    openai = target("openai")
    configured = snapshot(
        route("m", member_on(openai, "gpt-4o"), own_price=given), targets={"openai": openai}
    )
    asked = exchange(configuration=configured)
    asked.route_name, asked.model_served = "m", "m"
    found = configured.routes["m"]
    (leg,) = Legs().of(asked, Destination(found.pool, found), token())
    at = asked.started_at.timestamp()
    assert leg.cost(Most(completion=1_000_000), at) == 500_000_000_000
    assert leg.cost(Most(completion=1_000_000, tier=""), at) == 1_000_000_000
