"""What a batch needs of budgets: the sum of what its requests may use at most, at the rates of batches.

Rates of tokens do not hold for batches: what these use, they use over hours.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache

import msgspec
from msgspec import Raw, Struct

from tollkeeper_server.dataplane.aside import FEW, LARGE, aside
from tollkeeper_server.dataplane.budget.calls import NO_CALLS, Call
from tollkeeper_server.dataplane.budget.demand import BOUNDED, Demand, most_of, no_price, read
from tollkeeper_server.dataplane.budget.legs import Leg, Legs, leg_of
from tollkeeper_server.dataplane.budget.meter_set import MeterSet
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.endpoint import MESSAGES, Endpoint
from tollkeeper_server.dataplane.request.kept_models import ESCAPED, values_of
from tollkeeper_server.dataplane.route import Destination
from tollkeeper_server.dataplane.route_named import upstream_name
from tollkeeper_server.domain.limit import MOST
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.providers.members import iterate_inner
from tollkeeper_server.snapshot.model import Meters, Snapshot
from tollkeeper_server.snapshot.prices import model_there

BATCHES = frozenset({"batches", "messages_batches"})
"""The names of the endpoints where batches are made."""
LegsOf = Callable[[str], Sequence[Leg]]
"""Returns the calls that a request of a batch may lead to that names a model, empty for none."""


class BatchNeed:
    """Sums up what the requests of a batch may use, as they are read: in any thread, but in one at a time."""

    def __init__(self, legs_of: LegsOf, at: float) -> None:
        """`at` is when the batch is made, in seconds of the epoch."""
        self._legs_of = legs_of
        self._at = at
        self._tokens = self._output = self._money = 0
        self._unpriced: dict[Call, Leg] = {}
        self._lacks_price: Leg | None = None
        self.estimated = 0
        """The tokens that the prompts probably have."""
        self.requests = 0
        """How many requests were read."""

    def add(self, endpoint: Endpoint, models: Sequence[str], body: bytes) -> None:
        """Add a request with a JSON body that runs one of these models."""
        asked = read(body, endpoint, is_json=True)
        tokens = output = money = 0
        for model in models or [""]:
            legs = self._legs_of(model)
            unpriced = 0
            for leg in legs:
                most = most_of(endpoint, asked, len(body), leg.max_output)
                cost = leg.cost(msgspec.structs.replace(most, is_batch=True), self._at)
                if cost is None:
                    self._unpriced[leg.call] = leg
                    unpriced += 1
                tokens = max(tokens, most.prompt + most.completion)
                output = max(output, most.completion)
                money = max(money, cost or 0)
            if unpriced and unpriced == len(legs):
                self._lacks_price = self._lacks_price or legs[0]
        self._tokens += tokens
        self._output += output
        self._money += money
        self.estimated += asked.estimated
        self.requests += 1

    async def add_messages(self, body: bytes) -> None:
        """Add the requests of a batch of messages; a body that has none is one."""
        size = len(body)
        # Many small requests take long for their bytes.
        await aside(max(size, LARGE + 1) if size > FEW else size, self._add_messages, body)

    def _add_messages(self, body: bytes) -> None:
        for request in _large(body) if len(body) > LARGE else _small(body):
            for params in _params(request):
                self.add(MESSAGES, [_model(params)], params)
        if not self.requests:
            self.add(MESSAGES, [""], body)

    def demand(self, meters: MeterSet, *, may_pass_over: bool) -> Demand:
        """Return what the batch needs of these meters.

        With `may_pass_over` calls of which no price is known need not be made if there are others. Raises
        PRICE_UNKNOWN.
        """
        passed_over = NO_CALLS
        if meters.asks_prices and self._unpriced:
            if self._lacks_price is not None or not may_pass_over:
                raise no_price(self._lacks_price or next(iter(self._unpriced.values())))
            passed_over = frozenset(self._unpriced)
        amounts = (1, 0, min(self._tokens, MOST), min(self._money, MOST))
        return Demand(amounts=amounts, output=self._output, passed_over=passed_over)


def legs_of_lines(exchange: Exchange, upstream: str) -> LegsOf:
    """Return what finds the calls of a batch whose file is at an upstream, as that names models."""
    snapshot = exchange.snapshot

    @cache
    def find(there: str) -> Sequence[Leg]:
        served = model_there(snapshot, upstream, there)
        route = snapshot.resolve(served) if served else None
        call = Call(route.name if route is not None else "", served, upstream, there)
        return (leg_of(snapshot, call, exchange.started_at),)

    return find


class MessagesLegs(Struct, frozen=True):
    """What finds the calls of a batch of messages. `is_one` says that they are those of one model."""

    of: LegsOf
    is_one: bool


def legs_of_messages(exchange: Exchange, destination: Destination, token: Token, legs: Legs) -> MessagesLegs:
    """Return what finds the calls of a batch of messages."""
    named, route = destination.named or {}, destination.route
    if len(named) <= 1 or (route is not None and route.fallbacks):  # one model serves all
        every = legs.of(exchange, destination, token)
        return MessagesLegs(lambda _: every, is_one=True)
    snapshot = exchange.snapshot
    found: dict[str, Sequence[Leg]] = {}
    for name, pool in named.items():
        route = snapshot.resolve(name)
        served = name if route is None or route.is_pattern else route.name
        calls = (
            Call(
                route.name if route is not None else "",
                served,
                member.target.name,
                upstream_name(pool, member) or served,
            )
            for member in destination.pool.members
        )
        found[name] = [leg_of(snapshot, call, exchange.started_at) for call in calls]
    unnamed = [leg for of_one in found.values() for leg in of_one]
    return MessagesLegs(lambda name: found.get(name, unnamed), is_one=False)


def bounded(meters: Meters) -> Meters:
    """Return those meters of budgets that hold all that a batch may use."""
    return tuple(meter for meter in meters if meter.limit.measure in BOUNDED)


def check_unread(snapshot: Snapshot, meters: MeterSet) -> None:
    """Raise PRICE_UNKNOWN for a batch whose lines can't be read, if a budget holds for it, or for a model."""
    every = (*snapshot.routes.values(), *snapshot.patterns)
    if meters.is_bounded or any(bounded(route.meters) for route in every):
        raise TollkeeperError(
            Reason.PRICE_UNKNOWN,
            "budgets of tokens or money hold for what the batch uses, and the gateway can't tell which file "
            "its requests are in; send `input_file_id`, and nothing else that may be its input",
            field="input_file_id",
        )


def check_models(snapshot: Snapshot, models: Collection[str], field: str) -> None:
    """Raise INVALID_ARGUMENT for a batch that runs several models of which one has budgets of its own."""
    routes = {model if (route := snapshot.resolve(model)) is None else route.name: route for model in models}
    if len(routes) > 1 and any(route is not None and bounded(route.meters) for route in routes.values()):
        names = ", ".join(map(repr, sorted(routes)))
        raise invalid_argument(
            field, f"the models {names} run, and one has a budget of its own; make a batch for each model"
        )


class _Requests(Struct):
    requests: list[Raw] = []


class _Params(Struct):
    params: Raw = Raw()


class _Named(Struct):
    model: str = ""


_decode_requests = msgspec.json.Decoder(_Requests).decode
_decode_params = msgspec.json.Decoder(_Params).decode
_decode_model = msgspec.json.Decoder(_Named).decode
_FAILURES = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def _small(body: bytes) -> Iterator[bytes]:
    if body.lower().count(b'"requests"') == 1 and not ESCAPED.search(body):
        try:
            found = _decode_requests(body).requests
        except _FAILURES:
            found = []
        if found:
            yield from map(bytes, found)
            return
    yield from _large(body)


def _large(body: bytes) -> Iterator[bytes]:
    """Yield the requests in every member that any server may take for their list."""
    for requests in values_of(body, "requests"):
        yield from iterate_inner(requests)


def _params(request: bytes) -> list[bytes]:
    if request.lower().count(b'"params"') == 1 and not ESCAPED.search(request):
        try:
            return [bytes(_decode_params(request).params)]
        except _FAILURES:
            pass
    return values_of(request, "params")


def _model(params: bytes) -> str:
    try:
        return _decode_model(params).model
    except _FAILURES:
        return ""
