"""Options that give a model, or one of its deployments, prices."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from tollkeeper.cli.configuration import refused
from tollkeeper.cli.files import FILE, read_file
from tollkeeper.cli.options import options
from tollkeeper.configuration import ConfigurationError, read_prices
from tollkeeper.values.price import DatedPrice, PriceRates
from tollkeeper.values.traffic import Deployment

_NAMES = tuple(it.name for it in fields(PriceRates))

price_options = options(
    click.option(
        "--rate",
        "rates",
        metavar="UNIT=DOLLARS",
        multiple=True,
        help="What a unit costs, of tokens a million, such as input=2.50; repeat for more. Units: "
        f"{', '.join(_NAMES)}.",
    ),
    click.option(
        "--prices",
        "prices_file",
        type=FILE,
        help="A YAML file with prices as a model has them in a configuration file; - is standard input.",
    ),
)


def rate(text: str) -> tuple[str, float]:
    """Read `UNIT=DOLLARS`. Raises `ValueError`."""
    name, equals, dollars = text.partition("=")
    if not equals or name not in _NAMES:
        raise ValueError(f"{text!r} is not a rate; expected UNIT=DOLLARS with one of {', '.join(_NAMES)}")
    try:
        return name, float(dollars)
    except ValueError:
        raise ValueError(f"{text!r} is not a rate; {dollars!r} is no amount of dollars") from None


def take_prices(given: dict[str, Any]) -> tuple[DatedPrice, ...]:
    """Take the options out of what was given; return the prices that they say, none if they say nothing.

    Raises `click.UsageError`.
    """
    rates, file = given.pop("rates"), given.pop("prices_file")
    if rates and file is not None:
        raise click.UsageError("give --rate or --prices, not both")
    if file is not None:
        return _in_file(file)
    try:
        read = dict(map(rate, rates))
    except ValueError as error:
        raise click.UsageError(f"--rate: {error}") from error
    return (DatedPrice(rates=PriceRates(**read)),) if read else ()


def _in_file(file: Path) -> tuple[DatedPrice, ...]:
    try:
        prices = read_prices(read_file(file))
    except ConfigurationError as error:
        raise refused(error, file) from error
    if not prices:
        raise click.UsageError(f"{file} has no prices")
    return prices


def keeping_prices(
    deployments: Sequence[Deployment], present: Sequence[Deployment]
) -> tuple[Deployment, ...]:
    """Return deployments with the prices that the same ones have at present."""
    prices = {(it.upstream, it.upstream_model): it.prices for it in present}
    return tuple(replace(it, prices=prices.get((it.upstream, it.upstream_model), ())) for it in deployments)


def priced(
    deployments: Sequence[Deployment], place: str, prices: tuple[DatedPrice, ...]
) -> tuple[Deployment, ...]:
    """Return deployments, the one at `UPSTREAM[=UPSTREAM_MODEL]` with other prices.

    Raises `click.UsageError` if there is not one such.
    """
    upstream, _, name = place.partition("=")
    found = [it for it in deployments if it.upstream == upstream and (not name or it.upstream_model == name)]
    if len(found) != 1:
        known = ", ".join(map(str, deployments)) or "none"
        raise click.UsageError(
            f"--prices-of: {place!r} is {'none' if not found else 'more than one'} of the model's "
            f"deployments ({known})"
        )
    return tuple(replace(it, prices=prices) if it is found[0] else it for it in deployments)
