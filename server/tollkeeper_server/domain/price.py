"""Prices as people give them: in dollars, for the units and amounts that providers write."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

MILLION = 1_000_000
"""Of how many tokens or characters a rate of these is."""
NANO_IN_DOLLAR = 1_000_000_000
"""Amounts of money are nano-dollars."""


class PriceSource(StrEnum):
    """Where the price of a call comes from, the first one that holds."""

    DEPLOYMENT = "deployment"
    MODEL = "model"
    SHIPPED = "shipped"
    NONE = "none"


class PriceRates(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What units cost, in dollars with up to six decimals; None is not given.

    Rates of tokens and characters are those of a million. A unit without a rate costs what the next broader
    one does (`prices/rates.py`).
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
        rates = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: rate for name, rate in rates.items() if rate is not None}


OF_MILLIONS = frozenset(PriceRates.__struct_fields__) - {
    "audio_minute",
    "image",
    "request",
    "web_search",
    "file_search",
    "page",
    "annotated_page",
}
"""The rates that are of a million tokens or characters; each other is of one unit."""


class PriceTier(Struct, frozen=True, kw_only=True):
    """The rates of requests whose prompts have more than `above` tokens, for all of the request.

    Rates that are not given stay those of shorter prompts.
    """

    above: int = 0
    rates: PriceRates = PriceRates()


class ServicePrice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rates of a kind of service, in place of the usual ones. What is empty may be anything.

    `tier` is the answer's `service_tier`, `speed` Anthropic's; with `is_batch` for requests in a batch.
    """

    tier: str = ""
    is_batch: bool = False
    speed: str = ""
    rates: PriceRates = PriceRates()
    tiers: tuple[PriceTier, ...] = ()


class DatedPrice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A price, and when it holds: from `start_time` on, at `hours` of the UTC day, such as `16:30-00:30`.

    None is always, empty is all day. Of several that hold, the last one counts.
    """

    start_time: datetime | None = None
    hours: str = ""
    rates: PriceRates = PriceRates()
    tiers: tuple[PriceTier, ...] = ()
    services: tuple[ServicePrice, ...] = ()


class ModelPrice(Struct, frozen=True, kw_only=True):
    """What a model costs at an upstream, and where that comes from.

    `prices` are those of the source. `listed` names the model in the table that ships, empty if it does not
    have it, `listed_prices` are what that says. `max_output` is how many tokens an answer has at most, 0
    where that is not known. With `is_pattern` callers choose the name there.
    """

    model: str = ""
    upstream: str = ""
    upstream_model: str = ""
    source: PriceSource = PriceSource.NONE
    prices: tuple[DatedPrice, ...] = ()
    listed: str = ""
    listed_prices: tuple[DatedPrice, ...] = ()
    max_output: int = 0
    is_pattern: bool = False
