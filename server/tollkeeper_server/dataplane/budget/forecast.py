"""What a request would reserve, and which limit would refuse it: nothing is held."""

from collections.abc import Callable, Sequence
from operator import add

from tollkeeper_server.dataplane.budget.demand import Demand, lowered
from tollkeeper_server.dataplane.budget.demanding import Asking, needs_of
from tollkeeper_server.dataplane.budget.granted import Granted
from tollkeeper_server.dataplane.budget.meter_set import MeterSet
from tollkeeper_server.dataplane.budget.refusal import refusal
from tollkeeper_server.dataplane.budget.reservations import Reservations, granted
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.authenticate import Identity
from tollkeeper_server.domain.explanation import ExplainedReservation
from tollkeeper_server.domain.rate import MINUTE
from tollkeeper_server.ledger.meter import Meter, MeterKind
from tollkeeper_server.ledger.port import Ledger
from tollkeeper_server.ledger.reservation import Cause, Refused, Standing
from tollkeeper_server.ledger.standings import limit_standing, look, time_of
from tollkeeper_server.snapshot.model import ListenerView


class Forecast:
    """Stands in for `Reservations` where a request is explained."""

    def __init__(
        self, reservations: Reservations, ledger: Ledger, clock: Callable[[], int], calls: int = 1
    ) -> None:
        """`clock` is the time in microseconds. So many calls like the request are under way at once."""
        self._reservations = reservations
        self._ledger = ledger
        self._clock = clock
        self._calls = calls
        self.found: tuple[ExplainedReservation, ...] = ()
        """What the request would reserve, once it was asked."""
        self.fitting = 0
        """How many of the calls would be admitted."""

    def of(self, calls: int) -> "Forecast":
        """Return one that finds what so many calls at once reserve."""
        return Forecast(self._reservations, self._ledger, self._clock, calls)

    async def reserve(self, exchange: Exchange, asking: Asking) -> Granted:
        """Return what a request may do, and would hold. Raises as `Reservations.reserve` does."""
        found_demand = self._reservations.demands.of(exchange, asking)
        meters, demand = found_demand if isinstance(found_demand, tuple) else await found_demand
        now = self._clock()
        known = await look(self._ledger, meters.meters, now)
        needs = needs_of(meters, demand)
        fits = [
            _fits(meter, need, it, self._calls)
            for meter, need, it in zip(meters.meters, needs, known, strict=True)
        ]
        fitting = min([self._calls, *fits])
        before = [fitting * need for need in needs]
        sent, refused = demand, self._refused_by(meters, needs, known, before)
        if fitting < self._calls:
            shorter = self._shorter(meters, demand, known, before)
            if shorter is not None:
                sent, fitting = shorter, fitting + 1
        taken = before if sent is demand else list(map(add, before, needs_of(meters, sent)))
        self.fitting = fitting
        self.found = tuple(
            _explained(meter, need, it, max(admitted, fitting), amount, self._calls, now)
            for meter, need, it, admitted, amount in zip(
                meters.meters, needs_of(meters, sent), known, fits, taken, strict=True
            )
        )
        if fitting < self._calls:
            assert refused is not None
            raise refusal(*refused, exchange.endpoint.name)
        return granted(meters, sent, is_observed=True)

    def _shorter(
        self, meters: MeterSet, demand: Demand, known: Sequence[Standing | None], before: Sequence[int]
    ) -> Demand | None:
        """Return the demand with an answer for which all limits have enough left; None without one."""
        found = self._refused_by(meters, needs_of(meters, demand), known, before)
        while found is not None:
            shorter = lowered(demand, meters, found[0])
            if shorter is None:
                return None
            demand = shorter
            found = self._refused_by(meters, needs_of(meters, demand), known, before)
        return demand

    def _refused_by(
        self,
        meters: MeterSet,
        needs: Sequence[int],
        known: Sequence[Standing | None],
        before: Sequence[int],
    ) -> tuple[Refused, int] | None:
        """Return the refusal of the limit that refuses first, and what it is asked for."""
        found: tuple[Refused, int] | None = None
        for meter, need, standing, earlier in zip(meters.meters, needs, known, before, strict=True):
            refused = self._refused(meter, need, standing, earlier)
            if refused is not None and (found is None or _comes_first(refused, found[0])):
                found = refused, need
        return found

    async def document(self, exchange: Exchange, view: ListenerView | None, identity: Identity) -> bytes:
        """As `Reservations` does."""
        return await self._reservations.document(exchange, view, identity)

    @staticmethod
    def _refused(meter: Meter, need: int, standing: Standing | None, before: int) -> Refused | None:
        """Return how a meter refuses a request when others have reserved so much `before`."""
        if standing is None:
            return None
        room = _room(meter, standing) - before
        if need <= room:
            return None
        remaining = max(room, 0)
        match meter.kind:
            case MeterKind.RATE if need > meter.rate.burst:
                return Refused(meter, Cause.NEVER, remaining)
            case MeterKind.RATE:
                return Refused(meter, Cause.PACE, remaining, _wait(meter, before + need, standing))
            case MeterKind.SLOTS:
                return Refused(meter, Cause.BUSY, remaining)
            case MeterKind.BUDGET:
                return Refused(meter, Cause.SPENT, remaining)


def _fits(meter: Meter, need: int, standing: Standing | None, calls: int) -> int:
    """Return how many of the calls a meter admits."""
    if standing is None:
        return calls
    room = _room(meter, standing)
    if room < 0 or not need:
        return 0 if room < 0 else calls
    return min(calls, room // need)


def _room(meter: Meter, standing: Standing) -> int:
    """Return what may be reserved; it is negative where more was used: then nobody is admitted at all."""
    if standing.remaining or meter.kind is MeterKind.RATE:
        return standing.remaining
    return min(meter.amount - standing.spent - standing.held, 0)


def _explained(
    meter: Meter, need: int, standing: Standing | None, admitted: int, taken: int, calls: int, now: int
) -> ExplainedReservation:
    """Return what a call reserves of a meter that admits so many, where all of them have `taken` so much."""
    passes_at = None
    if admitted < calls and standing is not None:
        if meter.kind is MeterKind.RATE and need <= meter.rate.burst:
            passes_at = time_of(now + _wait(meter, (admitted + 1) * need, standing))
        elif meter.kind is MeterKind.BUDGET and need <= meter.amount:
            passes_at = limit_standing(meter, standing, now).resets_at
    left = None if standing is None else standing.remaining
    return ExplainedReservation(
        scope=meter.scope.kind,
        scope_id=meter.scope.id,
        limit=meter.limit,
        need=need,
        left=left,
        left_after=None if left is None else max(left - taken, 0),
        admitted_calls=admitted,
        passes_at=passes_at,
    )


def _comes_first(refused: Refused, other: Refused) -> bool:
    """Return whether the ledger tells of this refusal: the gravest, of rates that with the longest wait."""
    if refused.cause is other.cause is Cause.PACE:
        return (refused.wait or 0) > (other.wait or 0)
    return refused.cause < other.cause


def _wait(meter: Meter, need: int, standing: Standing) -> int:
    """Return how many microseconds it takes until a rate has so much, more than which it has not.

    What is left is whole units; what it has earned of the next one is in the time until it is whole.
    """
    lacking, burst = need - standing.remaining, meter.rate.burst
    whole = (standing.reset or 0) - (burst - need) * MINUTE // meter.amount
    return min(max(whole, (lacking - 1) * MINUTE // meter.amount), -(-lacking * MINUTE // meter.amount))
