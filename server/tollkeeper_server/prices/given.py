"""Prices as people give them, in dollars, as prices in pico-dollars a unit; and the other way round."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from tollkeeper_server.domain.price import (
    MILLION,
    OF_MILLIONS,
    DatedPrice,
    PriceRates,
    PriceTier,
    ServicePrice,
)
from tollkeeper_server.prices.consumption import ImageSize, Unit
from tollkeeper_server.prices.price import GivenPeriod, GivenRates, Price, Service, Steps, Variant
from tollkeeper_server.prices.tariff import DAY, Period

_PICO = 10**12
_UNITS = {"audio_minute": Unit.AUDIO}
# Of how many units a rate is: sound is counted in seconds.
_PER = {**dict.fromkeys(OF_MILLIONS, MILLION), "audio_minute": 60}
_DECIMALS = Decimal("0.000001")
_HOUR, _MINUTE = 3600, 60


def to_price(given: Sequence[DatedPrice]) -> Price:
    """Return the price that some dated prices say, of which there is one at least."""
    return Price(tuple(_period(it) for it in given))


def begins_at(given: Sequence[DatedPrice]) -> float:
    """Return from when dated prices say anything, in seconds of the epoch; 0 for always."""
    return min(0.0 if it.start_time is None else it.start_time.timestamp() for it in given)


def holding(prices: Sequence[DatedPrice], at: datetime) -> DatedPrice:
    """Return the one of dated prices that holds at a time, of which there is one at least."""
    moment = at.timestamp()
    for given in reversed(prices):
        begin, end = _seconds(given.hours)
        start = 0.0 if given.start_time is None else given.start_time.timestamp()
        if Period(start, begin, end, ()).holds(moment):
            return given
    return prices[0]


def from_price(price: Price) -> tuple[DatedPrice, ...]:
    """Return what a price says, in dollars. Units that people can't give a rate are left out."""
    return tuple(_dated(price, period, start) for period in price.periods for start in _starts(price, period))


def _period(given: DatedPrice) -> GivenPeriod:
    begin, end = _seconds(given.hours)
    return GivenPeriod(
        _rates(given.rates, given.tiers),
        0 if given.start_time is None else int(given.start_time.timestamp()),
        begin,
        end,
        tuple(
            Variant(Service(it.tier, it.is_batch, it.speed), _rates(it.rates, it.tiers))
            for it in given.services
        ),
    )


def _seconds(hours: str) -> tuple[int, int]:
    """Return between which seconds of the day `16:30-00:30` is; twice 0 for all day."""
    if not hours:
        return 0, 0
    begin, end = (int(time[:2]) * _HOUR + int(time[3:]) * _MINUTE for time in (hours[:5], hours[6:]))
    return begin, end


def _rates(rates: PriceRates, tiers: Sequence[PriceTier]) -> GivenRates:
    units: dict[Unit, list[tuple[int, int]]] = {}
    for above, some in ((-1, rates), *((tier.above, tier.rates) for tier in tiers)):
        for name, dollars in some.given().items():
            units.setdefault(_UNITS.get(name) or Unit(name), []).append((above, _pico(name, dollars)))
    return GivenRates(MappingProxyType({unit: tuple(steps) for unit, steps in units.items()}))


def _pico(name: str, dollars: float) -> int:
    """Return the pico-dollars of one unit. A float's shortest text is what was given."""
    return round(Decimal(repr(dollars)) * _PICO / _PER.get(name, 1))


def _starts(price: Price, period: GivenPeriod) -> Iterator[int]:
    """Yield when the rates of a period change: where it begins, and where those of a service do."""
    later = {it.start for it in (*period.variants, *price.variants) if it.start > period.start}
    yield from (period.start, *sorted(later))


def _dated(price: Price, period: GivenPeriod, start: int) -> DatedPrice:
    rates, tiers = _dollars(period.rates)
    services = [
        ServicePrice(
            tier=it.service.tier,
            is_batch=it.service.is_batch,
            speed=it.service.speed,
            rates=of[0],
            tiers=of[1],
        )
        for it in (*period.variants, *price.variants)
        if it.start <= start
        for of in [_dollars(it.rates)]
    ]
    return DatedPrice(
        start_time=datetime.fromtimestamp(start, UTC) if start else None,
        hours=f"{_time(period.begin)}-{_time(period.end)}" if period.begin != period.end else "",
        rates=rates,
        tiers=tiers,
        services=tuple(services),
    )


def _time(second: int) -> str:
    second %= DAY
    return f"{second // _HOUR:02}:{second % _HOUR // _MINUTE:02}"


def _dollars(rates: GivenRates) -> tuple[PriceRates, tuple[PriceTier, ...]]:
    """Return rates in dollars, the first and those of longer prompts."""
    found: dict[int, dict[str, float]] = {-1: {}}
    for name, steps in _named(rates.units):
        for above, pico in steps:
            exact = Decimal(pico) * _PER.get(name, 1) / _PICO
            found.setdefault(above, {})[name] = float(exact.quantize(_DECIMALS))
    if (image := rates.images.get(ImageSize())) is not None:
        found[-1].setdefault("image", image / _PICO)
    tiers = tuple(
        PriceTier(above=above, rates=PriceRates(**some))
        for above, some in sorted(found.items())
        if above >= 0
    )
    return PriceRates(**found[-1]), tiers


def _named(units: Mapping[Unit, Steps]) -> Iterator[tuple[str, Steps]]:
    for name in PriceRates.__struct_fields__:
        steps = units.get(_UNITS.get(name) or Unit(name))
        if steps is not None:
            yield name, steps
