"""The reservations of requests: held before an upstream is called, settled whichever way the request ends."""

from collections.abc import Awaitable, Callable, Collection, Sequence

from tollkeeper_server.dataplane.budget.batch import BatchNeed
from tollkeeper_server.dataplane.budget.demand import (
    NO_TOKENS,
    Demand,
    lowered,
)
from tollkeeper_server.dataplane.budget.demanding import Asking, Demands, needs_of
from tollkeeper_server.dataplane.budget.granted import AS_ASKED, Granted
from tollkeeper_server.dataplane.budget.holding import Held, Holding, charges_of
from tollkeeper_server.dataplane.budget.legs import without
from tollkeeper_server.dataplane.budget.meter_set import MAX_OUTPUT, MeterSet
from tollkeeper_server.dataplane.budget.refusal import refusal
from tollkeeper_server.dataplane.budget.standings import budget_header, rate_headers, standings
from tollkeeper_server.dataplane.budget.thresholds import Thresholds
from tollkeeper_server.dataplane.budget.used import used_of
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.authenticate import Identity
from tollkeeper_server.dataplane.route import Destination, may_use
from tollkeeper_server.domain.headers import Header
from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.errors import NO_ROOM, TollkeeperError, shortage_error
from tollkeeper_server.ledger.meter import Meter, MeterKind
from tollkeeper_server.ledger.port import Ledger
from tollkeeper_server.ledger.reservation import Outcome, Pending, Refused, shared_out
from tollkeeper_server.snapshot.model import ListenerView
from tollkeeper_server.telemetry.metrics import Metrics

_BOUNDED_TEXT_BYTES = 32
"""No text has so few tokens. An upstream that keeps to the maximum is never taken to be beyond it."""


class Reservations:
    """Reserves what requests need of their meters, and settles it."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], int],
        metrics: Metrics,
        thresholds: Thresholds,
        begin: Callable[[Exchange], bool],
        default_output: int,
    ) -> None:
        """`clock` is the time in microseconds.

        `begin` writes down what a request holds once that has changed, and returns False if it may not go on.
        `default_output` is the maximum of answers of which nobody says one, 0 to leave it so.
        """
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._beyond = thresholds.beyond
        self._begin = begin
        self.demands = Demands(default_output)
        self._under_way: dict[str, int] = {}  # reservations by id, those made or renewed longest ago first

    async def reserve(self, exchange: Exchange, asking: Asking) -> Granted:
        """Hold what a request needs, and return what it may do. Raises `LimitError`, or PRICE_UNKNOWN."""
        found = self.demands.of(exchange, asking)
        meters, demand = found if isinstance(found, tuple) else await found
        if meters.meters:
            held = self._hold(exchange, exchange.event_id, meters, demand)
            demand = held if isinstance(held, Demand) else await held
        if demand is NO_TOKENS and not asking.is_observed:
            return AS_ASKED
        return granted(meters, demand, is_observed=asking.is_observed)

    async def fall_back(self, exchange: Exchange, asking: Asking) -> Destination | None:
        """Hold what a request needs of the model that it falls back to.

        Return where it goes, without upstreams that may not be called; None if there is too little, or
        nothing to call. What it holds of its other meters suffices for each of its fallbacks.
        """
        if not await self._hold_of_fallback(exchange, asking):
            return None
        holding = exchange.holding
        if holding is None:
            return asking.destination
        left = without(asking.destination, holding.passed_over, exchange.model_served)
        return left if left.pool.members else None

    async def _hold_of_fallback(self, exchange: Exchange, asking: Asking) -> bool:
        route = asking.destination.route
        if route is None or not route.meters:
            return True
        held = exchange.holding.held if exchange.holding is not None else ()
        if any(one.route_name == route.name for one in held):
            return True
        try:
            written = exchange.holding.max_output if exchange.holding is not None else 0
            found = self.demands.of_model(exchange, asking, route.meters, written)
            meters, demand = found if isinstance(found, tuple) else await found
            if not meters.meters:
                return True
            waiting = self._hold(exchange, f"{exchange.event_id}/{len(held)}", meters, demand)
            if not isinstance(waiting, Demand):
                await waiting
        except TollkeeperError:
            return False
        if exchange.upstream and not self._begin(exchange):
            self._let_go(exchange)
            return False
        return True

    async def hold_lines(
        self, exchange: Exchange, identity: Identity, need: BatchNeed, models: Collection[str]
    ) -> None:
        """Hold what the lines of a batch's files need, that run models of these names.

        Record the model if there is one. Raises `LimitError`, PRICE_UNKNOWN, SHORTAGE, and INVALID_ARGUMENT
        if one of several models has budgets of its own.
        """
        lines, demand = self.demands.of_lines(exchange, identity, need, models)
        if not lines.meters:
            return
        number = len(exchange.holding.held) if exchange.holding is not None else 0
        held = self._hold(exchange, f"{exchange.event_id}/{number}", lines, demand)
        if not isinstance(held, Demand):
            await held
        if not self._begin(exchange):
            raise shortage_error(NO_ROOM)

    async def document(self, exchange: Exchange, view: ListenerView | None, identity: Identity) -> bytes:
        """Return how all meters stand that a caller's requests may have, as JSON."""
        snapshot, token = exchange.snapshot, identity.token
        meters = self.demands.meters(exchange, view, identity)
        routes = {route.name: route for route in (*snapshot.routes.values(), *snapshot.patterns)}
        for route in routes.values():
            if route.meters and may_use(token, route.name, route.name):
                meters += route.meters
        return await standings(self._ledger, meters, self._clock())

    def charges(self, exchange: Exchange, holding: Holding[Exchange]) -> tuple[Charge, ...]:
        """Return what a request that has ended is charged, and note what has been used of what it held.

        What is not known is taken to be all that was reserved. What was sent to no upstream is charged
        nothing.
        """
        if not exchange.was_sent:
            return ()
        charges: tuple[Charge, ...] = ()
        for held in holding.held:
            pending = held.pending
            held.used = used = used_of(exchange, held)
            if used is pending.needs:
                charges += held.charges
            elif pending.more:
                for part, amounts in shared_out(pending, used):
                    charges += charges_of(held.meters, part, amounts)
            else:
                charges += charges_of(held.meters, pending, used)
        return charges

    def settle(self, exchange: Exchange, holding: Holding[Exchange]) -> None:
        """Settle the reservations of a request, whose event is in the journal, and is charged as much."""
        for one in holding.held:
            meters, pending, used = one.meters, one.pending, one.used
            self._under_way.pop(pending.id, None)
            if not exchange.was_sent:
                self._ledger.give_back(pending.id)
                continue
            self._ledger.settle(pending.id, used)
            if meters.is_bounded:
                held = pending.held if pending.more else pending.needs
                for at, _ in meters.budgets:
                    if used[at] > held[at]:
                        meter = meters.meters[at]
                        self._metrics.overdrawn(meter.scope.kind, meter.limit.measure, used[at] - held[at])

    def renew(self, age: int, renew: Callable[[str, int], None]) -> None:
        """Have those that are under way, and are older than so many microseconds, renewed."""
        now = self._clock()
        old = []
        for one, since in self._under_way.items():
            if now - since < age:
                break
            old.append(one)
        for one in old:
            del self._under_way[one]
            self._under_way[one] = now
            renew(one, now)

    def _hold(
        self, exchange: Exchange, one: str, meters: MeterSet, demand: Demand
    ) -> Demand | Awaitable[Demand]:
        """Hold what a request needs; return it, with a shorter answer if that is what a limit has left."""
        while True:
            now = self._clock()
            needs = meters.ones if demand is NO_TOKENS else needs_of(meters, demand)
            outcome = self._ledger.reserve(one, meters.meters, needs, now)
            if isinstance(outcome, Pending):
                return self._held(exchange, meters, demand, outcome, now)
            if not isinstance(outcome, Refused):
                return self._wait(exchange, one, meters, demand, outcome, needs, now)
            demand = self._shorter(exchange, meters, demand, outcome, needs, now)

    async def _wait(
        self,
        exchange: Exchange,
        one: str,
        meters: MeterSet,
        demand: Demand,
        waiting: Awaitable[Outcome],
        needs: Sequence[int],
        now: int,
    ) -> Demand:
        outcome = await waiting
        if isinstance(outcome, Refused):
            shorter = self._shorter(exchange, meters, demand, outcome, needs, now)
            held = self._hold(exchange, one, meters, shorter)
            return held if isinstance(held, Demand) else await held
        return self._held(exchange, meters, demand, outcome, now)

    def _shorter(
        self,
        exchange: Exchange,
        meters: MeterSet,
        demand: Demand,
        refused: Refused,
        needs: Sequence[int],
        now: int,
    ) -> Demand:
        """Return the demand with an answer for which a limit has enough left. Raises `LimitError`."""
        meter = refused.meter
        shorter = lowered(demand, meters, refused)
        if shorter is None:
            self._refused(meter)
            need = needs[meters.meters.index(meter)]
            headers = rate_headers(self._ledger, meters.rates, now)
            if self._beyond:
                headers += budget_header(self._ledger, meters.meters, self._beyond, now)
            raise refusal(refused, need, exchange.endpoint.name, headers)
        self._metrics.clamped(meter.scope.kind, meter.limit.measure)
        return shorter

    def _held(self, exchange: Exchange, meters: MeterSet, demand: Demand, made: Pending, now: int) -> Demand:
        self._under_way[made.id] = now
        charges = charges_of(meters, made, made.needs) if meters.budgets else ()
        held = Held(exchange.route_name, meters, made, charges)
        holding = exchange.holding
        if holding is not None:
            if demand is not NO_TOKENS:
                _join(holding, demand)
            holding.held = (*holding.held, held)
            holding.passed_over |= demand.passed_over
            return demand
        exchange.holding = holding = Holding(
            (held,),
            demand.output,
            _BOUNDED_TEXT_BYTES if demand.is_bounded else 1,
            demand.slice_tokens,
            demand.slice_money,
            self._headers,
            self._extend,
        )
        if demand.written or demand.passed_over:
            holding.max_output = demand.written
            holding.is_clamped = demand.is_clamped
            holding.passed_over = demand.passed_over
        return demand

    def _let_go(self, exchange: Exchange) -> None:
        """Give the latest reservation of a request back."""
        holding = exchange.holding
        assert holding is not None
        *others, last = holding.held
        holding.held = tuple(others)
        self._under_way.pop(last.pending.id, None)
        self._ledger.give_back(last.pending.id)

    async def _extend(self, exchange: Exchange, text: int) -> bool:
        # A rate that has no more just now ends no answer: it is charged when the request is settled.
        holding = exchange.holding
        assert holding is not None
        slices = holding.slices_for(text)
        holding.output += slices * holding.slice_tokens
        amounts = (0, 0, slices * holding.slice_tokens, slices * holding.slice_money)
        is_held = False
        for held in holding.held:
            needs = [amounts[kind] for kind in held.meters.needs]
            if not any(needs):
                continue
            outcome = self._ledger.top_up(held.pending.id, needs, self._clock())
            if outcome is not None and not isinstance(outcome, Outcome):
                outcome = await outcome
            if isinstance(outcome, Refused) and outcome.meter.kind is not MeterKind.RATE:
                self._refused(outcome.meter)
                holding.is_spent = True
                return False
            is_held = True
        if is_held and not self._begin(exchange):
            holding.is_spent, holding.ending = True, shortage_error(NO_ROOM)
            return False
        return True

    def _headers(self, exchange: Exchange) -> list[Header]:
        holding = exchange.holding
        assert holding is not None
        rates = holding.held[0].meters.rates
        now = self._clock()
        headers = rate_headers(self._ledger, rates, now) if rates else []
        if holding.max_output:
            clamped = b";clamped" if holding.is_clamped else b""
            headers.append((MAX_OUTPUT, b"%d%s" % (holding.max_output, clamped)))
        if self._beyond:
            meters = [meter for held in holding.held for meter in held.meters.meters]
            headers += budget_header(self._ledger, meters, self._beyond, now)
        return headers

    def _refused(self, meter: Meter) -> None:
        self._metrics.limited(meter.scope.kind, meter.limit.measure)


def _join(holding: Holding[Exchange], demand: Demand) -> None:
    """Have the holding go by what all that is held suffices for, of models that may serve the request."""
    text_bytes = _BOUNDED_TEXT_BYTES if demand.is_bounded else 1
    if any(held.meters.counted is not held.meters for held in holding.held):
        holding.output = min(holding.output, demand.output)
        holding.text_bytes = min(holding.text_bytes, text_bytes)
    else:  # nothing was held of an answer
        holding.output, holding.text_bytes = demand.output, text_bytes
    holding.slice_money = max(holding.slice_money, demand.slice_money)


def granted(meters: MeterSet, demand: Demand, *, is_observed: bool) -> Granted:
    """Return what a request may do that holds what it needs."""
    if not (is_observed or demand.written or demand.passed_over):
        return AS_ASKED
    return Granted(
        needs=tuple(zip(meters.meters, needs_of(meters, demand), strict=True)) if is_observed else (),
        max_output=demand.written,
        is_clamped=demand.is_clamped,
        passed_over=demand.passed_over,
    )
