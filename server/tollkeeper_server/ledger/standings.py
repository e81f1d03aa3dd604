"""How meters stand, as limits of their scopes."""

from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta

from tollkeeper_server.domain.limit import THRESHOLDS
from tollkeeper_server.domain.period import FOREVER
from tollkeeper_server.domain.standing import LimitStanding
from tollkeeper_server.ledger.meter import Meter, MeterKind
from tollkeeper_server.ledger.port import Ledger
from tollkeeper_server.ledger.reservation import Standing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def look(ledger: Ledger, meters: Sequence[Meter], now: int) -> Sequence[Standing | None]:
    """Return how meters stand, as `Ledger.look` does."""
    found = ledger.look(meters, now)
    return await found if isinstance(found, Awaitable) else found


def limit_standing(meter: Meter, standing: Standing | None, now: int) -> LimitStanding:
    """Return how the limit of a meter stands at `now`, in microseconds since 1970."""
    limit, kind = meter.limit, meter.kind
    if standing is None:
        return LimitStanding(scope=meter.scope.kind, scope_id=meter.scope.id, limit=limit, is_known=False)
    is_budget = kind is MeterKind.BUDGET
    most = most_of(meter)
    resets_at = begins_at = None
    if is_budget:
        span = meter.calendar.at(now)
        if span.end < FOREVER:
            begins_at, resets_at = time_of(span.id * 1_000_000), time_of(span.end * 1_000_000)
    elif standing.reset is not None:
        resets_at = time_of(now + standing.reset)
    return LimitStanding(
        scope=meter.scope.kind,
        scope_id=meter.scope.id,
        limit=limit,
        used=standing.spent if is_budget else 0,
        reserved=0 if kind is MeterKind.RATE else standing.held,
        left=standing.remaining,
        share=round(max(0.0, 1 - standing.remaining / most), 6),
        period_start=begins_at,
        resets_at=resets_at,
        thresholds=tuple(
            percent
            for percent, mark in zip(THRESHOLDS, meter.marks, strict=True)
            if is_budget and standing.spent >= mark
        ),
    )


def most_of(meter: Meter) -> int:
    """Return the most that may be reserved of a meter at once."""
    return meter.rate.burst if meter.kind is MeterKind.RATE else meter.amount


def time_of(microseconds: int) -> datetime:
    """Return a time of the ledger's, in microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)
