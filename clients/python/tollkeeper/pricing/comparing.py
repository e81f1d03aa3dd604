"""What of a gateway's prices somebody should look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from tollkeeper.values.price import DatedPrice, ModelPrice, PriceSource, dollars

_OVERRIDES = (PriceSource.MODEL, PriceSource.DEPLOYMENT)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be looked at of the price of a model at an upstream. With `is_grave` money goes wrong."""

    model: str
    upstream: str
    is_grave: bool
    detail: str


def compare(price: ModelPrice, now: datetime, factor: float) -> Iterator[Finding]:
    """Yield what is to be looked at: no price, one that lacks the rate of prompts or of answers, rates that
    differ from the shipped ones by more than a factor, and dated prices that are over.
    """

    def found(detail: str, *, is_grave: bool = True) -> Finding:
        return Finding(price.model, price.upstream, is_grave, detail)

    if price.source is PriceSource.NONE and not price.is_pattern:
        yield found("has no price: what its requests cost is not known")
    if price.source not in _OVERRIDES:
        return
    over = _begun(price.prices, now)
    for old, new in pairwise(over):
        if new.start_time is not None:
            since = f"{old.start_time:%Y-%m-%d}" if old.start_time else "the beginning"
            yield found(
                f"the price since {since} is over since {new.start_time:%Y-%m-%d}; it bills past requests "
                "that are priced again, and can go when there are none",
                is_grave=False,
            )
    if not over:
        return
    listed = _begun(price.listed_prices, now)
    own, shipped = over[-1].rates.given(), listed[-1].rates.given() if listed else {}
    for name, lacking in (("input", "output"), ("output", "input")):
        if name in own and lacking not in own and (lacking in shipped or not listed):
            yield found(
                f"has a rate of {name} and none of {lacking}: what requests cost that have both is not "
                "known, and a budget of money refuses them",
                is_grave=lacking in shipped,
            )
    for name in (it for it in own if it in shipped):
        one, other = own[name], shipped[name]
        if one != other and (0 in (one, other) or max(one / other, other / one) > factor):
            times = f", {one / other:.3g} times as much" if one and other else ""
            yield found(f"{name} is {dollars(one)} dollars; the shipped price is {dollars(other)}{times}")


def _begun(prices: tuple[DatedPrice, ...], now: datetime) -> list[DatedPrice]:
    """Return the prices that have begun and hold at all hours, the present one last."""
    return [it for it in prices if not it.hours and (it.start_time is None or it.start_time <= now)]
