"""Prices in dollars say the same as prices in pico-dollars, and people read them back."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from tollkeeper_server.domain.price import DatedPrice, PriceRates, PriceTier, ServicePrice
from tollkeeper_server.prices.book import shipped_book
from tollkeeper_server.prices.consumption import Consumption, ImageSize, Unit
from tollkeeper_server.prices.given import begins_at, from_price, holding, to_price
from tollkeeper_server.prices.price import Price, Service

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
BEFORE, AFTER = NEW_YEAR.timestamp() - 1, NEW_YEAR.timestamp()
GIVEN = (
    DatedPrice(
        rates=PriceRates(input=2.5, cached=0.0028, output=10),
        tiers=(PriceTier(above=200_000, rates=PriceRates(input=5)),),
        services=(ServicePrice(tier="flex", rates=PriceRates(input=1.25)),),
    ),
    DatedPrice(start_time=NEW_YEAR, rates=PriceRates(input=2)),
)
PROVIDERS = shipped_book().providers


@pytest.mark.parametrize(
    ("used", "at", "service", "cost"),
    [
        (Consumption(input=200_000), BEFORE, Service(), 500_000_000),
        # 2.8 nano-dollars a thousand of what nano-dollars a token can't say.
        (Consumption(cached=1_000), BEFORE, Service(), 2_800),
        (Consumption(input=100_000, cached=100_001), BEFORE, Service(), 500_280_003),
        (Consumption(input=1_000), BEFORE, Service("flex"), 1_250_000),
        (Consumption(input=1_000), AFTER, Service(), 2_000_000),
        # The second price says nothing of flex, and nothing of what is cached.
        (Consumption(input=1_000, cached=1_000), AFTER, Service("flex"), 4_000_000),
        (Consumption(output=1), AFTER, Service(), None),
    ],
)
def test_dollars_are_billed_to_the_pico_dollar(
    used: Consumption, at: float, service: Service, cost: int | None
) -> None:
    assert to_price(GIVEN).cost(used, at, service) == cost


def test_what_is_no_token_is_billed_by_its_own_unit() -> None:
    rates = PriceRates(
        audio_minute=0.006,
        image=0.04,
        request=0.001,
        web_search=0.01,
        character=15,
        file_search=0.0025,
        page=0.002,
    )
    price = to_price([DatedPrice(rates=rates)])
    assert price.cost(Consumption(more=((Unit.AUDIO, 90_000),)), 0) == 9_000_000 + 1_000_000
    assert price.cost(Consumption(images=((ImageSize(), 2),)), 0) == 81_000_000
    assert price.cost(Consumption(more=((Unit.WEB_SEARCH, 3),)), 0) == 31_000_000
    assert price.cost(Consumption(more=((Unit.FILE_SEARCH, 3),)), 0) == 8_500_000
    # An annotated page is one.
    assert price.cost(Consumption(more=((Unit.PAGE, 2), (Unit.ANNOTATED_PAGE, 1))), 0) == 7_000_000
    assert price.cost(Consumption(more=((Unit.CHARACTER, 11),)), 0) == 1_165_000


def test_people_read_back_what_they_gave() -> None:
    assert from_price(to_price(GIVEN)) == GIVEN
    assert from_price(to_price(GIVEN[1:])) == GIVEN[1:]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_shipped_prices_survive_dollars(provider: str) -> None:
    """But for sound by the hour, whose pico-dollars a second are rounded, and units that nobody can give."""
    for listed in shipped_book().models(provider):
        again = to_price(from_price(listed.price))
        for at in _moments(listed.price):
            for service in (Service(), *listed.price.services()):
                for used in _uses(listed.price, at, service):
                    assert again.cost(used, at, service) == listed.price.tariff(service).cost(used, at), (
                        listed
                    )


def _moments(price: Price) -> list[float]:
    starts = {0, *(it.start for it in price.periods), *(it.start for it in price.variants)}
    return [start + hour * 3600 for start in starts for hour in (0, 9, 17)]


def _uses(price: Price, at: float, service: Service) -> list[Consumption]:
    rates = price.tariff(service).tiers(at)[-1]
    known = {"input", "cached", "cache_write", "cache_write_hour", "output", "reasoning"} - rates.missing
    return [replace(Consumption(), **{name: tokens}) for name in sorted(known) for tokens in (1, 1_000_003)]


def test_the_price_that_holds_is_the_last_one() -> None:
    nights = DatedPrice(start_time=NEW_YEAR, hours="22:00-06:00", rates=PriceRates(input=1))
    prices = (*GIVEN, nights)
    assert holding(prices, datetime(2026, 12, 31, 23, tzinfo=UTC)) == GIVEN[0]
    assert holding(prices, datetime(2027, 1, 1, 12, tzinfo=UTC)) == GIVEN[1]
    assert holding(prices, datetime(2027, 1, 1, 23, tzinfo=UTC)) == nights
    assert holding(prices, datetime(2027, 1, 2, 5, 59, tzinfo=UTC)) == nights
    assert (begins_at(GIVEN), begins_at(GIVEN[1:])) == (0, AFTER)
