"""What is likely a mistake in a price is refused, with what may be meant."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.price import DatedPrice, PriceRates, PriceTier, ServicePrice
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.price_rules import check_prices
from tollkeeper_server.management.refusals import Refusals

USUAL = PriceRates(input=2.5, output=10)
JUNE, JULY = datetime(2027, 6, 1, tzinfo=UTC), datetime(2027, 7, 1, tzinfo=UTC)


def refused(*prices: DatedPrice) -> dict[str, str]:
    """Return what is wrong with prices, by field."""
    refusals = Refusals()
    check_prices(prices, "prices", refusals)
    try:
        refusals.raise_any()
    except TollkeeperError as error:
        return {it.field: it.description for it in error.wrong_fields}
    return {}


def one(rates: PriceRates = USUAL, **more: object) -> DatedPrice:
    """Return a price."""
    return DatedPrice(rates=rates, **more)  # type: ignore[arg-type]  # as each test says


@pytest.mark.parametrize("dollars", [2.5e-06, 1.25e-07, 0.00001])
def test_the_price_of_a_token_is_not_that_of_a_million(dollars: float) -> None:
    found = refused(one(PriceRates(input=dollars)))
    assert f"would be {dollars * 1_000_000:g}" in found["prices[0].rates.input"]


def test_the_price_of_a_character_is_not_that_of_a_million() -> None:
    found = refused(one(PriceRates(character=0.000015)))
    assert "a million characters" in found["prices[0].rates.character"]
    assert "would be 15" in found["prices[0].rates.character"]


@pytest.mark.parametrize("rate", ["request", "image", "audio_minute", "web_search", "file_search", "page"])
def test_a_unit_that_is_no_token_may_be_cheap(rate: str) -> None:
    assert refused(one(PriceRates(**{rate: 0.00005}))) == {}


@given(st.integers(100, 10**10))
def test_whatever_has_six_decimals_is_a_price(pico: int) -> None:
    assert refused(one(PriceRates(input=pico / 1_000_000))) == {}


@pytest.mark.parametrize(
    ("prices", "field"),
    [
        ([one(PriceRates(input=0.1234567))], "prices[0].rates.input"),
        ([one(PriceRates())], "prices[0].rates"),
        ([one(), one(start_time=JULY), one(start_time=JUNE)], "prices[2].start_time"),
        ([one(), one()], "prices[1]"),
        ([one(hours="08:00-10:00")], "prices[0].hours"),
        ([one(), one(hours="08:00-08:00")], "prices[1].hours"),
        ([one(tiers=(PriceTier(above=9, rates=PriceRates(cached=1)),))], "prices[0].tiers[0].rates.cached"),
        ([one(tiers=(PriceTier(above=9, rates=PriceRates()),))], "prices[0].tiers[0].rates"),
        (
            [one(tiers=(PriceTier(above=9, rates=USUAL), PriceTier(above=9, rates=USUAL)))],
            "prices[0].tiers[1].above",
        ),
        ([one(services=(ServicePrice(rates=USUAL),))], "prices[0].services[0]"),
        (
            [one(services=(ServicePrice(tier="flex", rates=PriceRates(input=1e-7)),))],
            "prices[0].services[0].rates.input",
        ),
    ],
)
def test_what_can_not_be_meant_is_refused(prices: list[DatedPrice], field: str) -> None:
    assert list(refused(*prices)) == [field]


def test_dates_hours_tiers_and_services_go_together() -> None:
    tiers = (PriceTier(above=9, rates=PriceRates(input=5)), PriceTier(above=99, rates=PriceRates(input=6)))
    flex = ServicePrice(tier="flex", rates=PriceRates(input=1), tiers=(tiers[0],))
    assert refused(one(tiers=tiers, services=(flex,)), one(hours="16:30-00:30"), one(start_time=JUNE)) == {}
