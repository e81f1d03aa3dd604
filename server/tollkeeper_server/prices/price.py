"""The price of a model: its rates from dates on, at times of day, by tiers, and by kind of service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from msgspec import Struct, structs

from tollkeeper_server.prices.consumption import Consumption, ImageSize, Unit
from tollkeeper_server.prices.rates import Rates, resolve
from tollkeeper_server.prices.tariff import Period, Tariff

Steps = tuple[tuple[int, int], ...]
"""A rate by the prompt's length: pairs of the tokens that it must exceed, and pico-dollars a unit; ascending.

The first one is above -1, which every prompt is.
"""


class Service(Struct, frozen=True, gc=False):
    """The kind of service, as the answer names it. Empty is the usual one.

    `tier` is OpenAI's and others' `service_tier`, `speed` is Anthropic's. With `is_batch` the request came
    in a batch.
    """

    tier: str = ""
    is_batch: bool = False
    speed: str = ""


USUAL = Service()


class GivenRates(Struct, frozen=True, eq=False):
    """The rates that somebody gave, by unit, and by size and quality of whole images (pico-dollars each)."""

    units: Mapping[Unit, Steps]
    images: Mapping[ImageSize, int] = MappingProxyType({})


class Variant(Struct, frozen=True, eq=False):
    """Rates that replace those of the same units for a kind of service, from `start` (seconds of the epoch).

    What is empty of `service` may be anything.
    """

    service: Service
    rates: GivenRates
    start: int = 0

    def suits(self, service: Service) -> bool:
        """Return whether the rates are for a kind of service."""
        mine = self.service
        return (
            (not mine.tier or mine.tier == service.tier)
            and (not mine.is_batch or service.is_batch)
            and (not mine.speed or mine.speed == service.speed)
        )


class GivenPeriod(Struct, frozen=True, eq=False):
    """Rates, and when they hold: from `start` (seconds of the epoch), at times of the UTC day (seconds).

    Where `begin` and `end` are the same, at all times; where `end` is before `begin`, over midnight. The
    `variants` are those of this period alone.
    """

    rates: GivenRates
    start: int = 0
    begin: int = 0
    end: int = 0
    variants: tuple[Variant, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Price:
    """The price of a model. Of the periods that hold, the last one counts; if none does, the first one.

    Of a period's variants that suit, and then of those of all periods, the first one counts that names a
    unit. `max_output` is how many tokens an answer has at most, 0 where that is not known. `least_audio` are
    the milliseconds of sound that are billed at least, if there is any.
    """

    periods: tuple[GivenPeriod, ...]
    variants: tuple[Variant, ...] = ()
    max_output: int = 0
    least_audio: int = 0
    plain: Rates | None = field(init=False, repr=False)
    """The usual rates, if they are the same at all times and for all prompts, and none is missing."""
    _all_variants: tuple[Variant, ...] = field(init=False, repr=False)
    _tariffs: dict[tuple[Variant, ...], Tariff] = field(init=False, repr=False, default_factory=dict)
    _chosen: dict[tuple[str | None, bool], tuple[Tariff, ...]] = field(
        init=False, repr=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        own = (it for period in self.periods for it in period.variants)
        object.__setattr__(self, "_all_variants", (*own, *self.variants))
        periods = self.tariff().periods
        rates = periods[0].tiers[0] if len(periods) == len(periods[0].tiers) == 1 else None
        object.__setattr__(self, "plain", None if rates is None or rates.missing else rates)

    def tariff(self, service: Service = USUAL) -> Tariff:
        """Return the rates for a kind of service; the usual ones, where it has none of its own."""
        suiting = tuple(it for it in self._all_variants if it.suits(service)) if self._all_variants else ()
        found = self._tariffs.get(suiting)
        if found is None:
            # There are as many as sets of variants that suit something, whatever answers say.
            found = self._tariffs[suiting] = self._make(suiting)
        return found

    def cost(self, used: Consumption, at: float, service: Service = USUAL) -> int | None:
        """Return what a request costs in nano-dollars, rounded up; None if a unit of it has no rate.

        `at` is when it began, in seconds of the epoch.
        """
        if self.least_audio:
            used = _at_least(used, self.least_audio)
        return self.tariff(service).cost(used, at)

    def services(self) -> tuple[Service, ...]:
        """Return the kinds of service that have rates of their own."""
        return tuple(dict.fromkeys(it.service for it in self._all_variants))

    @property
    def has_services(self) -> bool:
        """Whether some kind of service has rates of its own, in some period."""
        return bool(self._all_variants)

    def tariffs(self, tier: str | None, *, is_fast: bool) -> tuple[Tariff, ...]:
        """Return the rates of each kind of service that a request may be served with, the usual one's first.

        `tier` is what it asks for, which it may not get; None if the provider chooses. `is_fast` says that it
        asks for speed. It is in no batch.
        """
        named = [it for it in self.services() if not it.is_batch]
        tiers = dict.fromkeys(["", *(it.tier for it in named if it.tier and tier in (None, it.tier))])
        asked = (tier if tier is None or tier in tiers else "", is_fast)
        found = self._chosen.get(asked)
        if found is None:
            speeds = dict.fromkeys(["", *(it.speed for it in named if is_fast)])
            # What a tier costs with a speed, of which each has some rates, may be more than either.
            every = (self.tariff(Service(one, speed=speed)) for one in tiers for speed in speeds)
            found = self._chosen[asked] = tuple({id(it): it for it in every}.values())
        return found

    def batch_tariffs(self, *, is_fast: bool) -> tuple[Tariff, ...]:
        """Return the rates that a request of a batch may be billed at: its kind of service is the batch."""
        speeds = dict.fromkeys(["", *(it.speed for it in self.services() if is_fast)])
        return tuple(self.tariff(Service(is_batch=True, speed=speed)) for speed in speeds)

    def adds_up(self, at: float, service: Service = USUAL) -> bool:
        """Return whether requests cost together what the sums of their units cost, at a time."""
        tiers = self.tariff(service).tiers(at)
        return len(tiers) == 1 and not tiers[0].request and not self.least_audio

    def _make(self, variants: tuple[Variant, ...]) -> Tariff:
        found = []
        for number, period in reversed(list(enumerate(self.periods))):
            # The first one holds whenever no other does, so its own conditions say nothing.
            start, begin, end = (period.start, period.begin, period.end) if number else (0, 0, 0)
            # A variant that begins later replaces rates from then on.
            mine = [it for it in variants if it in period.variants or it in self.variants]
            starts = {start, *(it.start for it in mine if it.start > start)}
            for moment in sorted(starts, reverse=True):
                replacing = [it.rates for it in mine if it.start <= moment]
                found.append(Period(moment, begin, end, _tiers([*replacing, period.rates])))
        return Tariff(tuple(found))


def _tiers(given: Sequence[GivenRates]) -> tuple[Rates, ...]:
    """Return rates by the prompt's length, the longest first; those of a unit are the first that name it."""
    units: dict[Unit, Steps] = {}
    images: dict[ImageSize, int] = {}
    for one in reversed(given):
        units.update(one.units)
        images.update(one.images)
    above = sorted({-1, *(step[0] for steps in units.values() for step in steps)}, reverse=True)
    return tuple(
        resolve(at, {unit: _step(steps, at) for unit, steps in units.items()}, images) for at in above
    )


def _step(steps: Steps, above: int) -> int:
    return [rate for start, rate in steps if start <= above][-1]


def _at_least(used: Consumption, milliseconds: int) -> Consumption:
    more = tuple(
        (unit, max(count, milliseconds) if unit is Unit.AUDIO and count else count)
        for unit, count in used.more
    )
    return structs.replace(used, more=more)
