"""Finding which meters a request has, and what it needs of each."""

from collections.abc import Awaitable, Collection, Sequence
from functools import partial

from msgspec import Struct

from tollkeeper_server.dataplane.aside import LARGE, aside
from tollkeeper_server.dataplane.budget.asked import Asked
from tollkeeper_server.dataplane.budget.batch import (
    BATCHES,
    BatchNeed,
    bounded,
    check_models,
    check_unread,
    legs_of_messages,
)
from tollkeeper_server.dataplane.budget.demand import (
    NO_TOKENS,
    Demand,
    costs_tokens,
    demand_of,
    needs_tokens,
    read,
)
from tollkeeper_server.dataplane.budget.legs import Leg, Legs
from tollkeeper_server.dataplane.budget.meter_set import MeterSet, MeterSets
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.authenticate import Identity
from tollkeeper_server.dataplane.route import Destination
from tollkeeper_server.snapshot.model import ListenerView, Meters


class Asking(Struct, frozen=True, gc=False):
    """A request whose plan is known but for its limits: where it goes, and with what body.

    `is_observed` says that somebody wants to know what it needs, `reads_lines` that it makes a batch all
    lines of which are read before it is sent.
    """

    view: ListenerView | None
    identity: Identity
    destination: Destination
    body: bytes
    is_json: bool
    is_observed: bool = False
    reads_lines: bool = False


Demanded = tuple[MeterSet, Demand]
"""The meters that a request needs something of, and what it needs."""


class Demands:
    """Finds what requests need."""

    def __init__(self, default_output: int) -> None:
        """`default_output` is the maximum of answers of which nobody says one, 0 to leave it so."""
        self._default_output = default_output
        self._sets = MeterSets()
        self._legs = Legs()

    def of(self, exchange: Exchange, asking: Asking) -> Demanded | Awaitable[Demanded]:
        """Return what a request needs of all its meters. Raises PRICE_UNKNOWN."""
        identity, route = asking.identity, asking.destination.route
        meters = self._sets.of_request(
            exchange.snapshot, asking.view, identity.project, route, identity.token
        )
        return self._find(exchange, meters, asking)

    def of_model(
        self, exchange: Exchange, asking: Asking, meters: Meters, written: int
    ) -> Demanded | Awaitable[Demanded]:
        """Return what a request needs of the meters of a model that it falls back to. Raises PRICE_UNKNOWN.

        `written` is the maximum of its answer that has been written into it, 0 for none.
        """
        return self._find(exchange, self._sets.of(meters), asking, written)

    def of_lines(
        self, exchange: Exchange, identity: Identity, need: BatchNeed, models: Collection[str]
    ) -> Demanded:
        """Return what the lines of a batch's files need, that run models of these names.

        Record the model if there is one. Raises PRICE_UNKNOWN, and INVALID_ARGUMENT if one of several models
        has budgets of its own.
        """
        snapshot = exchange.snapshot
        meters = self.meters(exchange, snapshot.listeners.get(exchange.listener), identity)
        check_models(snapshot, models, "input_file_id")
        routes = [snapshot.resolve(model) for model in models]
        for route in routes:
            meters += route.meters if route is not None else ()
        exchange.route_name = exchange.model_served = ""
        if len(models) == 1:
            (exchange.model_served,) = models
            exchange.route_name = routes[0].name if routes[0] is not None else ""
        lines = self._sets.of(bounded(meters))
        return lines, need.demand(lines, may_pass_over=False) if lines.meters else NO_TOKENS

    def meters(self, exchange: Exchange, view: ListenerView | None, identity: Identity) -> Meters:
        """Return the meters that a caller's requests have whatever their models."""
        found = self._sets.of_request(exchange.snapshot, view, identity.project, None, identity.token)
        return found.meters

    def _find(
        self, exchange: Exchange, meters: MeterSet, asking: Asking, written: int | None = None
    ) -> Demanded | Awaitable[Demanded]:
        name = exchange.endpoint.name
        if name in BATCHES and costs_tokens(exchange.method, exchange.endpoint):
            if name == "messages_batches":
                return self._of_messages(exchange, meters, asking)
            if not asking.reads_lines:
                check_unread(exchange.snapshot, meters)
            return meters.counted, NO_TOKENS  # and then what its lines need
        if meters.counted is meters or not needs_tokens(exchange, meters):
            return meters.counted, NO_TOKENS
        body = asking.body
        if len(body) > LARGE:
            return self._read_aside(exchange, meters, asking, written)
        asked = read(body, exchange.endpoint, is_json=asking.is_json)
        return meters, self._demand_of(exchange, meters, asking, asked, written)

    async def _of_messages(self, exchange: Exchange, meters: MeterSet, asking: Asking) -> Demanded:
        check_models(exchange.snapshot, asking.destination.named or (), "requests")
        if not meters.is_bounded:
            return meters.counted, NO_TOKENS
        find = legs_of_messages(exchange, asking.destination, asking.identity.token, self._legs)
        need = BatchNeed(find.of, exchange.started_at.timestamp())
        await need.add_messages(asking.body)
        return meters, need.demand(meters, may_pass_over=find.is_one)

    async def _read_aside(
        self, exchange: Exchange, meters: MeterSet, asking: Asking, written: int | None
    ) -> Demanded:
        body = asking.body
        look = partial(read, endpoint=exchange.endpoint, is_json=asking.is_json)
        asked = await aside(len(body), look, body)
        return meters, self._demand_of(exchange, meters, asking, asked, written)

    def _demand_of(
        self, exchange: Exchange, meters: MeterSet, asking: Asking, asked: Asked, written: int | None
    ) -> Demand:
        found: Sequence[Leg] = ()
        if meters.is_bounded:
            found = self._legs.of(exchange, asking.destination, asking.identity.token)
        return demand_of(
            exchange,
            meters,
            found,
            asked,
            len(asking.body),
            default_output=self._default_output,
            written=written,
        )


def needs_of(meters: MeterSet, demand: Demand) -> Sequence[int]:
    """Return what a request needs of each meter."""
    if demand is NO_TOKENS:
        return meters.ones
    amounts = demand.amounts
    return [amounts[kind] for kind in meters.needs]
