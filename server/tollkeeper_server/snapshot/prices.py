"""Which price holds for a call: the deployment's, the model's own, or that of the shipped table."""

from collections.abc import Sequence
from datetime import datetime
from math import inf

from msgspec import Struct

from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.model import Price as ShortPrice
from tollkeeper_server.domain.price import DatedPrice, ModelPrice, PriceSource
from tollkeeper_server.domain.usage import Confidence, UsageEvent
from tollkeeper_server.prices.bill import cost_of, service_of
from tollkeeper_server.prices.book import Listed, shipped_book
from tollkeeper_server.prices.consumption import Unit
from tollkeeper_server.prices.given import begins_at, from_price, to_price
from tollkeeper_server.prices.price import GivenPeriod, GivenRates, Price
from tollkeeper_server.snapshot.model import OwnPrice, Route, Snapshot, Target

_PICO_IN_NANO = 1000


class FoundPrice(Struct, frozen=True):
    """A price that holds, and where it comes from. `listed` is what the shipped table has, whatever holds."""

    source: PriceSource
    price: Price | None = None
    listed: Listed | None = None


def own_price_of(model: Model) -> OwnPrice | None:
    """Return the price that is configured of a model itself, None without one."""
    if model.price is not None:
        return OwnPrice(short_price(model.price))
    return dated_price(model.prices)


def dated_price(given: Sequence[DatedPrice]) -> OwnPrice | None:
    """Return the price that dated prices say, None without any."""
    return OwnPrice(to_price(given), begins_at(given)) if given else None


def short_price(own: ShortPrice) -> Price:
    """Return the price that nano-dollars a token say."""
    rates = {Unit.INPUT: own.prompt, Unit.OUTPUT: own.completion}
    if own.cached is not None:
        rates[Unit.CACHED] = own.cached
    units = {unit: ((-1, rate * _PICO_IN_NANO),) for unit, rate in rates.items()}
    return Price((GivenPeriod(GivenRates(units)),))


def price_of(
    snapshot: Snapshot, model: str, upstream: str, upstream_model: str, at: datetime
) -> Price | None:
    """Return the price of a model that an upstream serves by a name of its own; None if it is not known.

    `model` is the configured model that the request is for, empty if there is none. `at` is when it began.
    """
    route = snapshot.resolve(model) if model else None
    if route is not None:
        if route.deployment_prices:
            own = _of_deployment(route, upstream, upstream_model)
            if own is not None and (not own.begins_at or at.timestamp() >= own.begins_at):
                return own.price
        own = route.own_price
        if own is not None and (not own.begins_at or at.timestamp() >= own.begins_at):
            return own.price
    target = snapshot.targets.get(upstream)
    if target is None or not target.prices:
        return None
    listed = _listed(target, upstream_model)
    return None if listed is None else listed.price


def next_price_begins(snapshot: Snapshot, at: float) -> float:
    """Return when the next configured price begins after `at`, in seconds of the epoch; infinity if none."""
    routes = (*snapshot.routes.values(), *snapshot.patterns)
    own = (it for route in routes for it in (route.own_price, *route.deployment_prices.values()))
    return min((it.begins_at for it in own if it is not None and it.begins_at > at), default=inf)


def max_output_of(snapshot: Snapshot, upstream: str, upstream_model: str) -> int:
    """Return how many tokens an answer of a model has at most that an upstream serves; 0 if nobody knows."""
    target = snapshot.targets.get(upstream)
    listed = None if target is None else _listed(target, upstream_model)
    return 0 if listed is None else listed.price.max_output


def price_of_served(snapshot: Snapshot, model: str, upstream: str, at: datetime) -> Price | None:
    """Return the price of a model by the name that an event has of it; None if it is not known."""
    route = snapshot.resolve(model) if model else None
    members = route.pool.members if route is not None else ()
    names = (it.upstream_model for it in members if it.target.name == upstream)
    return price_of(snapshot, model, upstream, next(names, "") or model, at)


def cost_of_event(snapshot: Snapshot, event: UsageEvent) -> int | None:
    """Return what a request costs in nano-dollars by the prices of a snapshot; None if that is not known.

    What has no counts costs what it did, nobody knows better. So does a batch whose requests cost by their
    length, which its sums do not say.
    """
    tokens = event.tokens
    if tokens.confidence is Confidence.PENDING:
        return None
    if tokens.confidence is Confidence.NONE and not tokens.has_measures:
        return event.cost_nano_dollars
    price = price_of_served(snapshot, event.model_served, event.upstream, event.started_at)
    if price is None:
        return None
    service = service_of(tokens.details)
    if service.is_batch and not price.adds_up(event.started_at.timestamp(), service):
        return event.cost_nano_dollars
    return cost_of(price, tokens, event.started_at)


def model_there(snapshot: Snapshot, upstream: str, there: str) -> str:
    """Return the name here of a model that an upstream has by the name `there`; that one, if it has no other.

    Of several names the one counts that is the same.
    """
    names = [
        route.name
        for route in snapshot.routes.values()
        for member in route.pool.members
        if member.target.name == upstream and (member.upstream_model or route.name) == there
    ]
    return there if there in names or not names else names[0]


def find_price(route: Route | None, target: Target, upstream_model: str, at: datetime) -> FoundPrice:
    """Return the price as `price_of` does, and where it comes from."""
    listed = _listed(target, upstream_model) if upstream_model else None
    if route is not None:
        deployed = _of_deployment(route, target.name, upstream_model)
        for source, own in (PriceSource.DEPLOYMENT, deployed), (PriceSource.MODEL, route.own_price):
            if own is not None and at.timestamp() >= own.begins_at:
                return FoundPrice(source, own.price, listed)
    if listed is None:
        return FoundPrice(PriceSource.NONE)
    return FoundPrice(PriceSource.SHIPPED, listed.price, listed)


def model_price(route: Route | None, target: Target, upstream_model: str, at: datetime) -> ModelPrice:
    """Return what a model costs at an upstream at a time, as people read it."""
    found = find_price(route, target, upstream_model, at)
    listed = found.listed
    return ModelPrice(
        model=route.name if route is not None else "",
        upstream=target.name,
        upstream_model=upstream_model,
        source=found.source,
        prices=from_price(found.price) if found.price is not None else (),
        listed=f"{listed.provider}/{listed.model}" if listed is not None else "",
        listed_prices=from_price(listed.price) if listed is not None else (),
        max_output=listed.price.max_output if listed is not None else 0,
        is_pattern=not upstream_model,
    )


def max_output(target: Target, upstream_model: str) -> int | None:
    """Return how many tokens an answer of a model has at most that an upstream serves by that name.

    None if nobody has said so.
    """
    listed = _listed(target, upstream_model)
    return None if listed is None else listed.price.max_output or None


def _of_deployment(route: Route, upstream: str, upstream_model: str) -> OwnPrice | None:
    prices = route.deployment_prices
    key = (upstream, upstream_model)
    # A pattern's deployment has no name there: the caller chooses it.
    return prices[key] if key in prices else prices.get((upstream, ""))


def _listed(target: Target, upstream_model: str) -> Listed | None:
    return shipped_book().find(target.prices, upstream_model) if target.prices else None


def is_unpriced(route: Route, at: datetime) -> bool:
    """Return whether one of a model's upstreams has no price for it at a time.

    What a pattern's names cost is known when they are asked for: then it is enough that the upstream's prices
    are.
    """
    return any(
        find_price(route, it.target, it.upstream_model, at).price is None
        and bool(it.upstream_model or not it.target.prices)
        for it in route.pool.members
    )
