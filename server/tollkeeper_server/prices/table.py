"""The table of prices that ships with the package, as it is written: flat integers, in lists.

`prices/build.py` of the repository writes it, `book.py` looks prices up in it.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import msgspec
from msgspec import Struct

from tollkeeper_server.prices.consumption import Unit
from tollkeeper_server.prices.price import GivenPeriod, GivenRates, Price, Service, Steps, Variant

FILE = "table.json"
Written = int | list[tuple[int, int]]
"""A rate in pico-dollars a unit, or pairs of the tokens that a prompt must exceed and a rate."""


class WrittenPeriod(Struct, frozen=True, array_like=True, omit_defaults=True):
    """A period of a price, as `GivenPeriod`."""

    rates: dict[Unit, Written]
    start: int = 0
    begin: int = 0
    end: int = 0


class WrittenVariant(Struct, frozen=True, array_like=True, omit_defaults=True):
    """A variant of a price, as `Variant` and `Service`."""

    rates: dict[Unit, Written]
    tier: str = ""
    is_batch: bool = False
    speed: str = ""
    start: int = 0


class WrittenModel(Struct, frozen=True, array_like=True, omit_defaults=True):
    """A model. `names` are clauses of `names.py`, one of which must suit."""

    id: str
    names: list[str | list[str]]
    periods: list[WrittenPeriod]
    variants: list[WrittenVariant] = []
    max_output: int = 0
    least_audio: int = 0


class WrittenProvider(Struct, frozen=True, array_like=True):
    """A provider. `url` is a regular expression of where its APIs are.

    `names` are clauses for what it is called. It serves models of `others`, too, at their prices.
    """

    id: str
    url: str
    names: list[str | list[str]]
    others: list[str]
    models: list[WrittenModel]


class Table(Struct, frozen=True):
    """All prices. `sources` says where they come from, package and version."""

    sources: list[str]
    providers: list[WrittenProvider]


@cache
def shipped() -> Table:
    """Return the table that ships with the package."""
    return msgspec.json.decode(files(__package__).joinpath(FILE).read_bytes(), type=Table)


def to_price(model: WrittenModel) -> Price:
    """Return the price that is written of a model."""
    return Price(
        tuple(GivenPeriod(_rates(it.rates), it.start, it.begin, it.end) for it in model.periods),
        tuple(
            Variant(Service(it.tier, it.is_batch, it.speed), _rates(it.rates), it.start)
            for it in model.variants
        ),
        max_output=model.max_output,
        least_audio=model.least_audio,
    )


def _rates(written: Mapping[Unit, Written]) -> GivenRates:
    steps: dict[Unit, Steps] = {
        unit: ((-1, rate),) if isinstance(rate, int) else tuple(rate) for unit, rate in written.items()
    }
    return GivenRates(MappingProxyType(steps))
