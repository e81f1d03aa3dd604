"""The rules of prices that people give: what is likely a mistake is refused, with what may be meant."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from tollkeeper_server.domain.price import MILLION, OF_MILLIONS, DatedPrice, PriceRates, PriceTier
from tollkeeper_server.management.refusals import Refusals

# No model is as cheap for a million tokens or characters, and none as dear for one.
_LEAST = 0.0001
_DECIMALS = 6
_ALWAYS = datetime.min.replace(tzinfo=UTC)


def check_prices(prices: Sequence[DatedPrice], path: str, refusals: Refusals) -> None:
    """Add what is wrong with the prices that stand at `path`."""
    begun = _ALWAYS
    seen: set[tuple[datetime, str]] = set()
    for index, price in enumerate(prices):
        here = f"{path}[{index}]"
        start = price.start_time or _ALWAYS
        if start < begun:
            refusals.add(f"{here}.start_time", "is before that of the price above; put prices in their order")
        elif (start, price.hours) in seen:
            refusals.add(here, "begins as the price above does, at the same hours; leave one of them out")
        if index == 0 and price.hours:
            refusals.add(
                f"{here}.hours", "the first price holds at all hours; put one without them before it"
            )
        if price.hours and price.hours[:5] == price.hours[6:]:
            refusals.add(f"{here}.hours", "begins when it ends; leave it out for all day")
        begun = max(begun, start)
        seen.add((start, price.hours))
        _check_rates(price.rates, price.tiers, here, refusals)
        for number, service in enumerate(price.services):
            there = f"{here}.services[{number}]"
            if not (service.tier or service.is_batch or service.speed):
                refusals.add(there, "is for every kind of service; give tier, is_batch or speed")
            _check_rates(service.rates, service.tiers, there, refusals)


def _check_rates(rates: PriceRates, tiers: Sequence[PriceTier], path: str, refusals: Refusals) -> None:
    given = rates.given()
    if not given:
        refusals.add(f"{path}.rates", "give a rate at least; 0 is free")
    _check_dollars(given, f"{path}.rates", refusals)
    above = 0
    for index, tier in enumerate(tiers):
        here = f"{path}.tiers[{index}]"
        if tier.above <= above:
            refusals.add(f"{here}.above", "must be more than that of the tier before it")
        above = tier.above
        longer = tier.rates.given()
        if not longer:
            refusals.add(f"{here}.rates", "give a rate at least")
        for name in longer.keys() - given.keys():
            refusals.add(f"{here}.rates.{name}", "has no rate for shorter prompts; give that, too")
        _check_dollars(longer, f"{here}.rates", refusals)


def _check_dollars(given: dict[str, float], path: str, refusals: Refusals) -> None:
    for name, dollars in given.items():
        exact = Decimal(repr(dollars))
        unit = "character" if name == "character" else "token"
        if name in OF_MILLIONS and 0 < dollars < _LEAST:
            refusals.add(
                f"{path}.{name}",
                f"is less than 0.0001 dollars for a million {unit}s, as the price of a single {unit} is; "
                f"for a million that would be {(exact * MILLION).normalize():f}",
            )
        elif exact != round(exact, _DECIMALS):
            refusals.add(f"{path}.{name}", "has more than six decimals; round it")
