"""The ledger of one process, in its memory."""

from collections.abc import Sequence

from tollkeeper_server.domain.limit import measure_of_key
from tollkeeper_server.domain.period import FOREVER
from tollkeeper_server.domain.rate import MINUTE, mark_of, settled
from tollkeeper_server.ledger.meter import Meter, MeterKind, end_of, is_over
from tollkeeper_server.ledger.port import Crossed
from tollkeeper_server.ledger.reservation import Cause, Outcome, Pending, Refused, Standing, shared_out

LIFETIME = 60 * MINUTE
"""Microseconds for which a reservation is held that nobody settles or renews. Then all of it is spent."""
_LAPSED = 10_000
_RATE = MeterKind.RATE
_SLOTS = MeterKind.SLOTS
_ENDLESS = FOREVER * 1_000_000


class _Count:
    """What is counted under one key.

    A rate uses the first three members, others the rest and `amount`: that by which thresholds were told.
    """

    __slots__ = ("amount", "earned_at", "ends", "given", "held", "period", "spent", "told")

    def __init__(self, amount: int) -> None:
        self.amount = amount
        self.earned_at = 0
        self.given = 0
        self.period = 0
        self.ends = 0
        self.spent = 0
        self.held = 0
        self.told = 0


class LocalLedger:
    """`Ledger` for one process. It answers at once."""

    def __init__(self, *, crossed: Crossed | None = None, lifetime: int = LIFETIME) -> None:
        self._crossed = crossed
        self._lifetime = lifetime
        self._counts: dict[str, _Count] = {}
        self._pending: dict[str, Pending] = {}  # the longest since it was made or renewed first
        self._lapsed: dict[str, Pending] = {}

    @property
    def pending(self) -> int:
        """The number of reservations that are held."""
        return len(self._pending)

    def reserve(
        self, reservation_id: str, /, meters: Sequence[Meter], needs: Sequence[int], now: int
    ) -> Outcome:
        """As the port says."""
        known = self._pending.get(reservation_id)
        if known is not None:
            return known
        made = self._hold(reservation_id, meters, needs, now)
        if made.__class__ is Pending:
            self._pending[reservation_id] = made
        return made

    def top_up(self, reservation_id: str, /, needs: Sequence[int], now: int) -> Outcome | None:
        """As the port says."""
        known = self._pending.get(reservation_id)
        if known is None:
            return None
        made = self._hold(reservation_id, known.meters, needs, now)
        if isinstance(made, Pending):
            known.more = (*known.more, made)
        return made

    def settle(self, reservation_id: str, /, actual: Sequence[int], now: int) -> bool:
        """As the port says."""
        pending = self._pending.pop(reservation_id, None)
        if pending is None:
            return self._settle_lapsed(reservation_id, actual, now)
        if pending.more:
            for part, used in shared_out(pending, actual):
                self._post(part, used, now)
        else:
            self._post(pending, actual, now)
        return True

    def give_back(self, reservation_id: str, /, now: int) -> bool:
        """As the port says."""
        known = self._pending.get(reservation_id) or self._lapsed.get(reservation_id)
        return known is not None and self.settle(reservation_id, (0,) * len(known.meters), now)

    def renew(self, reservation_id: str, /, now: int) -> None:
        """Have a reservation that is pending live for another lifetime."""
        pending = self._pending.pop(reservation_id, None)
        if pending is not None:
            pending.at = now
            self._pending[reservation_id] = pending

    def expire(self, now: int) -> list[Pending]:
        """Spend what has been held for a lifetime; return these reservations, which can still be settled."""
        expired = []
        for pending in self._pending.values():
            if pending.at + self._lifetime > now:
                break
            expired.append(pending)
        for pending in expired:
            del self._pending[pending.id]
            for part in pending.parts:
                self._post(part, part.needs, now)
            self._lapsed[pending.id] = pending
            if len(self._lapsed) > _LAPSED:
                del self._lapsed[next(iter(self._lapsed))]
        return expired

    def sweep(self, now: int) -> set[str]:
        """Forget meters that stand as if they were new, and return their keys; not those of reservations."""
        held = {
            meter.key
            for pending in (*self._pending.values(), *self._lapsed.values())
            for meter in pending.meters
        }
        gone = {key for key, count in self._counts.items() if key not in held and _is_free(key, count, now)}
        for key in gone:
            del self._counts[key]
        return gone

    def standing(self, meter: Meter, /, now: int) -> Standing:
        """As the port says. It is exact, and nothing has been used of a meter that was not seen yet."""
        count = self._counts.get(meter.key)
        if count is None or (count.amount != meter.amount and meter.kind is _RATE):
            count = self._count(meter)
        if meter.kind is _RATE:
            left, whole_in = meter.rate.left(count.earned_at, now)
            return Standing(meter.amount, 0, 0, left, whole_in)
        if now >= count.ends:
            self._turn(count, meter, now)
        remaining = max(meter.amount - count.spent - count.held, 0)
        reset = count.ends - now if count.ends < _ENDLESS else None
        return Standing(meter.amount, count.spent, count.held, remaining, reset)

    def look(self, meters: Sequence[Meter], /, now: int) -> list[Standing]:
        """As the port says."""
        return [self.standing(meter, now) for meter in meters]

    def charge(self, meter_key: str, period: int, amount: int) -> None:
        """Count what was spent before this process began, or past it, unless a later period has begun."""
        count = self._counts.get(meter_key)
        if count is None:
            count = self._counts[meter_key] = _Count(1)
        if period > count.period:
            self._begin(count, period)
        if period == count.period:
            count.spent += amount

    def _hold(self, reservation_id: str, meters: Sequence[Meter], needs: Sequence[int], now: int) -> Outcome:
        periods: list[int] = []
        earlier: list[int] = []
        known = self._counts.get
        for meter, need in zip(meters, needs, strict=True):
            count = known(meter.key)
            if count is None:
                count = self._count(meter)
            amount = meter.amount
            if meter.kind is _RATE:
                if count.amount != amount:
                    self._count(meter)
                start, before = now * amount, count.earned_at
                earned_at = (before if before > start else start) + need * MINUTE  # noqa: FURB136 - faster
                if earned_at - start > meter.rate.burst * MINUTE:
                    break
                count.earned_at = earned_at
                periods.append(mark_of(earned_at, amount, count.given))
            else:
                if now >= count.ends:
                    self._turn(count, meter, now)
                before = count.held
                if count.spent + before + need > amount:
                    break
                count.held = before + need
                periods.append(count.period)
            earlier.append(before)
        else:
            return Pending(reservation_id, meters, needs, periods, now)
        for meter, before in zip(meters, earlier, strict=False):  # those before the one that refuses
            count = self._counts[meter.key]
            if meter.kind is _RATE:
                count.earned_at = before
            else:
                count.held = before
        return self._refuse(meters, needs, now)

    def _refuse(self, meters: Sequence[Meter], needs: Sequence[int], now: int) -> Refused:
        """Return the gravest refusal of any meter; of several rates that which takes longest."""
        found: Refused | None = None
        for meter, need in zip(meters, needs, strict=True):
            standing = self.standing(meter, now)
            wait: int | None = None
            if meter.kind is _RATE:
                wait = meter.rate.wait(self._counts[meter.key].earned_at, need, now)
                if wait == 0:
                    continue
                cause = Cause.NEVER if wait is None else Cause.PACE
            elif need <= meter.amount - standing.spent - standing.held:
                continue
            elif meter.kind is not _SLOTS and standing.spent >= meter.marks[0]:
                self._tell(self._counts[meter.key], meter)  # the limit was lowered to what is used
                cause = Cause.SPENT
            else:
                cause = Cause.BUSY if meter.kind is _SLOTS else Cause.SPENT
            if found is None or (cause, -(wait or 0)) < (found.cause, -(found.wait or 0)):
                found = Refused(meter, cause, standing.remaining, wait)
        assert found is not None
        return found

    def _post(self, part: Pending, actual: Sequence[int], now: int) -> None:
        counts = self._counts
        for meter, need, period, used in zip(part.meters, part.needs, part.periods, actual, strict=True):
            count = counts[meter.key]
            kind = meter.kind
            if kind is _RATE:
                if used != need:
                    self._settle_rate(count, used - need, period, now)
            elif count.period == period:
                count.held -= need
                if kind is not _SLOTS:
                    spent = count.spent = count.spent + used
                    if spent >= meter.marks[0]:
                        self._tell(count, meter, used)

    def _settle_lapsed(self, reservation_id: str, actual: Sequence[int], now: int) -> bool:
        pending = self._lapsed.pop(reservation_id, None)
        if pending is None:
            return False
        for part, taken in shared_out(pending, actual):
            for meter, need, period, used in zip(part.meters, part.needs, part.periods, taken, strict=True):
                count = self._counts[meter.key]
                if meter.kind is _RATE:
                    self._settle_rate(count, used - need, period, now)
                elif meter.kind is not _SLOTS and count.period == period:
                    count.spent += used - need
                    self._tell(count, meter)
        return True

    @staticmethod
    def _settle_rate(count: _Count, more: int, mark: int, now: int) -> None:
        count.earned_at, count.given = settled(count.earned_at, count.amount, count.given, more, mark, now)

    def _tell(self, count: _Count, meter: Meter, used: int = 0) -> None:
        """Tell of thresholds that are reached, and were not before so much was used."""
        if count.amount != meter.amount:
            # Of another amount other thresholds may be reached, or none yet.
            count.amount = meter.amount
            count.told = min(count.told, sum(count.spent - used >= mark for mark in meter.marks))
        if count.told < len(meter.marks):
            reached = sum(count.spent >= mark for mark in meter.marks)
            if reached > count.told:
                count.told = reached
                if self._crossed is not None:
                    self._crossed(meter, reached)

    def _count(self, meter: Meter) -> _Count:
        count = self._counts.get(meter.key)
        if count is None:
            count = self._counts[meter.key] = _Count(meter.amount)
        if meter.kind is _RATE and count.amount != meter.amount:
            count.earned_at = meter.rate.rescaled(count.earned_at, count.amount)
            count.amount = meter.amount
        return count

    def _turn(self, count: _Count, meter: Meter, now: int) -> None:
        """Begin the period of `now`, unless a later one has begun: a clock that goes back reopens none."""
        if meter.kind is _SLOTS:
            count.ends = _ENDLESS
            return
        span = meter.calendar.at(now)
        if span.id > count.period:
            self._begin(count, span.id)
        count.ends = end_of(meter, count.period)

    def _begin(self, count: _Count, period: int) -> None:
        count.period = period
        count.ends = 0
        count.spent = count.held = count.told = 0


def _is_free(key: str, count: _Count, now: int) -> bool:
    if measure_of_key(key).is_budget:
        return is_over(key, count.period, now)
    return count.earned_at <= now * count.amount and not count.held
