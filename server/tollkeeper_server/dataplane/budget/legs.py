"""The calls of upstreams that a request may lead to, and what each costs at most."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from msgspec import Struct, structs

from tollkeeper_server.dataplane.budget.calls import Call
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.route import Destination, fallbacks
from tollkeeper_server.domain.token import Token
from tollkeeper_server.prices.most import Most, bound_of
from tollkeeper_server.prices.price import Price
from tollkeeper_server.prices.rates import PICO_IN_NANO
from tollkeeper_server.snapshot.model import Snapshot
from tollkeeper_server.snapshot.prices import max_output_of, next_price_begins, price_of

_REMEMBERED = 4096


class Leg(Struct, frozen=True, gc=False):
    """A call that may be made, at a price (None if it is not known), with answers of a length.

    `rates` are those of a token of the prompt, a token of the answer and a request, in pico-dollars, if they
    are the same for all requests of text; else None.
    """

    call: Call
    price: Price | None
    max_output: int
    rates: tuple[int, int, int] | None

    def cost(self, most: Most, at: float) -> int | None:
        """Return the nano-dollars that the call costs at most; None if that is not known."""
        rates = self.rates
        if rates is not None and not (most.is_media or most.searches):
            pico = most.prompt * rates[0] + most.completion * rates[1] + rates[2]
            return -(-pico // PICO_IN_NANO)
        return None if self.price is None else bound_of(self.price, most, at)


class Legs:
    """Finds the calls that a request may lead to.

    They are remembered while the configuration is the same, and until one of its prices begins.
    """

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        # From when on, and until when, all prices that are configured are the same.
        self._since = self._until = 0.0
        self._known: dict[tuple[str, str, str], tuple[Leg, ...]] = {}

    def of(self, exchange: Exchange, destination: Destination, token: Token) -> tuple[Leg, ...]:
        """Return the calls that may be made, of which one serves."""
        route = destination.route
        if token.allowed_models and route is not None and route.fallbacks:
            return tuple(_legs(exchange, destination, token))
        at = exchange.started_at.timestamp()
        if (
            self._snapshot is not exchange.snapshot
            or not self._since <= at < self._until
            or len(self._known) >= _REMEMBERED
        ):
            self._snapshot = exchange.snapshot
            self._since, self._until = at, next_price_begins(exchange.snapshot, at)
            self._known.clear()
        key = (destination.pool.key, exchange.route_name, exchange.model_served)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = tuple(_legs(exchange, destination, token))
        return found


def without(destination: Destination, calls: frozenset[Call], served: str) -> Destination:
    """Return a destination without the members whose calls may not be made of what is served by a name."""
    if not calls:
        return destination
    pool, route = destination.pool, destination.route
    name = route.name if route is not None else ""
    members = tuple(
        it
        for it in pool.members
        if Call(name, served, it.target.name, it.upstream_model or served) not in calls
    )
    if len(members) == len(pool.members):
        return destination
    return structs.replace(destination, pool=replace(pool, members=members))


def _legs(exchange: Exchange, destination: Destination, token: Token) -> Iterator[Leg]:
    route = destination.route
    yield from _members(exchange, destination, route.name if route is not None else "", exchange.model_served)
    for name, following in fallbacks(exchange, route, token):
        assert following.route is not None
        route_name = following.route.name
        yield from _members(
            exchange, following, route_name, name if following.route.is_pattern else route_name
        )


def _members(exchange: Exchange, destination: Destination, route_name: str, served: str) -> Iterator[Leg]:
    snapshot, at = exchange.snapshot, exchange.started_at
    for member in destination.pool.members:
        upstream, name = member.target.name, member.upstream_model or served
        yield leg_of(snapshot, Call(route_name, served, upstream, name), at)


def leg_of(snapshot: Snapshot, call: Call, at: datetime) -> Leg:
    """Return a call with its price at a time."""
    price = price_of(snapshot, call.route, call.upstream, call.upstream_model, at)
    rates = None
    if price is not None and price.plain is not None and not price.has_services:
        plain = price.plain
        dearest = max(plain.input, plain.cached, plain.cache_write, plain.cache_write_hour)
        rates = dearest, max(plain.output, plain.reasoning), plain.request
    return Leg(call, price, max_output_of(snapshot, call.upstream, call.upstream_model), rates)
