"""Prices of models, in dollars."""

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum


class PriceSource(StrEnum):
    """Where the price of a call comes from. `UNKNOWN` is one that this client is too old for."""

    UNKNOWN = "unknown"
    DEPLOYMENT = "deployment"
    MODEL = "model"
    SHIPPED = "shipped"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRates:
    """What units cost, in dollars with up to six decimals; None is not given.

    Rates of tokens and characters are those of a million. A unit without a rate costs what the next broader
    one does: what is cached, written to a cache, or sound or images, as `input` or `output`, and
    `cache_write_hour` as `cache_write`.
    """

    input: float | None = None
    cached: float | None = None
    cache_write: float | None = None
    cache_write_hour: float | None = None
    output: float | None = None
    reasoning: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None
    image_input: float | None = None
    audio_minute: float | None = None
    image: float | None = None
    request: float | None = None
    web_search: float | None = None
    character: float | None = None
    file_search: float | None = None
    page: float | None = None
    annotated_page: float | None = None

    def given(self) -> dict[str, float]:
        """Return the rates that are given, by name."""
        rates = {it.name: getattr(self, it.name) for it in fields(self)}
        return {name: rate for name, rate in rates.items() if rate is not None}

    def __str__(self) -> str:
        """As people read it: `input 2.5, output 10`."""
        return ", ".join(f"{name} {dollars(rate)}" for name, rate in self.given().items())


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier:
    """The rates of requests whose prompts have more than `above` tokens, for all of the request."""

    above: int
    rates: PriceRates

    def __str__(self) -> str:
        """As people read it."""
        return f"above {self.above}: {self.rates}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePrice:
    """The rates of a kind of service, as the answer names it. What is empty may be anything."""

    tier: str = ""
    is_batch: bool = False
    speed: str = ""
    rates: PriceRates = PriceRates()
    tiers: tuple[PriceTier, ...] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        return " ".join(filter(None, (self.tier, "batch" if self.is_batch else "", self.speed)))

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.name}: {'; '.join(map(str, (self.rates, *self.tiers)))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedPrice:
    """A price, and when it holds: from `start_time` on, at `hours` of the UTC day, such as `16:30-00:30`.

    None is always, empty is all day. Of several that hold, the last one counts.
    """

    start_time: datetime | None = None
    hours: str = ""
    rates: PriceRates = PriceRates()
    tiers: tuple[PriceTier, ...] = ()
    services: tuple[ServicePrice, ...] = ()

    def __str__(self) -> str:
        """As people read it."""
        since = f"from {self.start_time:%Y-%m-%d %H:%M}: " if self.start_time else ""
        hours = f"at {self.hours}: " if self.hours else ""
        return f"{since}{hours}{'; '.join(map(str, (self.rates, *self.tiers, *self.services)))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """What a model costs at an upstream, and where that comes from.

    `prices` are those of the source. `listed` names the model among the prices that ship with the gateway,
    empty if they don't have it, `listed_prices` are these. `max_output` is how many tokens an answer has at
    most, 0 where that is not known. With `is_pattern` callers choose the name there.
    """

    model: str
    upstream: str
    upstream_model: str
    source: PriceSource
    prices: tuple[DatedPrice, ...]
    listed: str
    listed_prices: tuple[DatedPrice, ...]
    max_output: int
    is_pattern: bool


def dollars(amount: float) -> str:
    """Write an amount of dollars with two decimals or more, as many as it has."""
    whole, _, decimals = f"{amount:.6f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repricing:
    """A change of the costs of past requests; `id` is empty if nothing was changed.

    `requests` were looked at, and have cost `before_nano_dollars`, as far as that was known; afterwards they
    cost the others. `unpriced_requests` have no known cost afterwards.
    """

    id: str
    repriced_at: datetime | None
    caller: str
    start_time: datetime | None
    end_time: datetime | None
    model: str
    requests: int
    changed_requests: int
    before_nano_dollars: int
    after_nano_dollars: int
    unpriced_requests: int
