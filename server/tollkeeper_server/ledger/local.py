"""The ledger of one process, in its memory."""

from collections.abc import Callable, Sequence

from tollkeeper_server.domain.limit import measure_of_key
from tollkeeper_server.domain.period import FOREVER
from tollkeeper_server.domain.rate import MINUTE, settled
from tollkeeper_server.ledger.counted import Count, Group, Made
from tollkeeper_server.ledger.meter import Meter, MeterKind, end_of, is_over
from tollkeeper_server.ledger.port import Crossed
from tollkeeper_server.ledger.reservation import Cause, Outcome, Pending, Refused, Standing, shared_out

LIFETIME = 60 * MINUTE
"""Microseconds for which a reservation is held that nobody settles or renews. Then all of it is spent."""
_LAPSED = 10_000
_GROUPS = 4096
_RATE = MeterKind.RATE
_SLOTS = MeterKind.SLOTS
_ENDLESS = FOREVER * 1_000_000


class LocalLedger:
    """`Ledger` for one process. It answers at once."""

    def __init__(
        self, clock: Callable[[], int], *, crossed: Crossed | None = None, lifetime: int = LIFETIME
    ) -> None:
        """`clock` is the time that callers tell, in microseconds since 1970."""
        self._clock = clock
        self._crossed = crossed
        self._lifetime = lifetime
        self._counts: dict[str, Count] = {}
        # Their rates have the amounts that are counted by. Those of meters that are gone are among them.
        self._groups: dict[tuple[Meter, ...], Group] = {}
        self._pending: dict[str, Made] = {}  # the longest since it was made or renewed first
        self._lapsed: dict[str, Made] = {}

    @property
    def pending(self) -> int:
        """The number of reservations that are held."""
        return len(self._pending)

    def reserve(
        self, reservation_id: str, /, meters: tuple[Meter, ...], needs: Sequence[int], now: int
    ) -> Outcome:
        """As the port says."""
        if reservation_id in self._pending:
            return self._pending[reservation_id]
        made = self._hold(reservation_id, self._groups.get(meters) or self._group(meters), needs, now)
        if isinstance(made, Made):
            self._pending[reservation_id] = made
        return made

    def top_up(self, reservation_id: str, /, needs: Sequence[int], now: int) -> Outcome | None:
        """As the port says."""
        known = self._pending.get(reservation_id)
        if known is None:
            return None
        meters = known.group.meters
        made = self._hold(reservation_id, self._groups.get(meters) or self._group(meters), needs, now)
        if isinstance(made, Pending):
            known.more = (*known.more, made)
        return made

    def settle(self, reservation_id: str, /, actual: Sequence[int]) -> bool:
        """As the port says."""
        pending = self._pending.pop(reservation_id, None)
        if pending is None:
            return self._settle_lapsed(reservation_id, actual)
        if pending.more:
            for part, used in shared_out(pending, actual):
                self._post(pending.group, part, used)
        else:
            self._post(pending.group, pending, actual)
        return True

    def give_back(self, reservation_id: str, /) -> bool:
        """As the port says."""
        known = self._pending.get(reservation_id) or self._lapsed.get(reservation_id)
        return known is not None and self.settle(reservation_id, (0,) * len(known.meters))

    def renew(self, reservation_id: str, /, now: int) -> None:
        """Have a reservation that is pending live for another lifetime."""
        pending = self._pending.pop(reservation_id, None)
        if pending is not None:
            pending.at = now
            self._pending[reservation_id] = pending

    def expire(self, now: int) -> Sequence[Pending]:
        """Spend what has been held for a lifetime; return these reservations, which can still be settled."""
        expired: list[Made] = []
        for pending in self._pending.values():
            if pending.at + self._lifetime > now:
                break
            expired.append(pending)
        for pending in expired:
            del self._pending[pending.id]
            for part in pending.parts:
                self._post(pending.group, part, part.needs)
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
        if gone:
            self._groups.clear()
        return gone

    def standing(self, meter: Meter, /, now: int) -> Standing:
        """As the port says. It is exact, and nothing has been used of a meter that was not seen yet."""
        amount = meter.amount
        if meter.kind is _RATE:
            left, whole_in = self.left(meter, now)
            return Standing(amount, 0, 0, left, whole_in)
        count = self._counts.get(meter.key) or self._count(meter)
        if now >= count.ends:
            self._turn(count, meter, now)
        remaining = max(amount - count.spent - count.held, 0)
        reset = count.ends - now if count.ends < _ENDLESS else None
        return Standing(amount, count.spent, count.held, remaining, reset)

    def left(self, rate: Meter, /, now: int) -> tuple[int, int]:
        """As the port says."""
        count = self._counts.get(rate.key)
        if count is None or count.amount != rate.amount:
            count = self._count(rate)
        return rate.rate.left(count.earned_at, now)

    def look(self, meters: Sequence[Meter], /, now: int) -> list[Standing]:
        """As the port says."""
        return [self.standing(meter, now) for meter in meters]

    def charge(self, meter_key: str, period: int, amount: int) -> None:
        """Count what was spent before this process began, or past it, unless a later period has begun."""
        count = self._counts.get(meter_key)
        if count is None:
            count = self._counts[meter_key] = Count(1)
        if period > count.period:
            self._begin(count, period)
        if period == count.period:
            count.spent += amount

    def _group(self, meters: tuple[Meter, ...]) -> Group:
        if len(self._groups) >= _GROUPS:
            self._groups.clear()
        group = Group(meters, self._count)
        self._groups[meters] = group
        return group

    def _hold(self, reservation_id: str, group: Group, needs: Sequence[int], now: int) -> Made | Refused:
        periods: list[int] = []
        lines = group.lines
        for (count, amount, span), need in zip(lines, needs, strict=True):
            if span:
                start, earned_at = now * amount, count.earned_at
                count.before = earned_at
                if earned_at < start:
                    earned_at = start
                earned_at += need * MINUTE
                if earned_at - start > span:
                    break
                count.earned_at = earned_at
                periods.append(earned_at // amount + count.given)
            else:
                if now >= count.ends:
                    self._turn(count, group.meters[len(periods)], now)
                held = count.held + need
                if count.spent + held > amount:
                    break
                count.held = held
                periods.append(count.period)
        else:
            return Made(reservation_id, group, needs, periods, now)
        for (count, _, span), need in zip(lines[: len(periods)], needs, strict=False):
            if span:
                count.earned_at = count.before
            else:
                count.held -= need
        return self._refuse(group.meters, needs, now)

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

    def _post(self, group: Group, part: Pending, actual: Sequence[int]) -> None:
        needs, periods = part.needs, part.periods
        for at, count in group.slots:
            count.held -= needs[at]
        for at, count, mark in group.budgets:
            if count.period == periods[at]:
                count.held -= needs[at]
                used = actual[at]
                spent = count.spent = count.spent + used
                if spent >= mark:
                    self._tell(count, group.meters[at], used)
        if actual is not needs:
            for at, count in group.rates:
                if actual[at] != needs[at]:
                    self._settle_rate(count, actual[at] - needs[at], periods[at])

    def _settle_lapsed(self, reservation_id: str, actual: Sequence[int]) -> bool:
        """Correct what was posted when nobody had settled it."""
        pending = self._lapsed.pop(reservation_id, None)
        if pending is None:
            return False
        group = pending.group
        for part, used in shared_out(pending, actual):
            for at, count in group.rates:
                self._settle_rate(count, used[at] - part.needs[at], part.periods[at])
            for at, count, _ in group.budgets:
                if count.period == part.periods[at]:
                    count.spent += used[at] - part.needs[at]
                    self._tell(count, group.meters[at])
        return True

    def _settle_rate(self, count: Count, more: int, mark: int) -> None:
        now = self._clock()
        count.earned_at, count.given = settled(count.earned_at, count.amount, count.given, more, mark, now)

    def _tell(self, count: Count, meter: Meter, used: int = 0) -> None:
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

    def _count(self, meter: Meter) -> Count:
        count = self._counts.get(meter.key)
        if count is None:
            count = self._counts[meter.key] = Count(meter.amount)
        if meter.kind is _RATE and count.amount != meter.amount:
            count.earned_at = meter.rate.rescaled(count.earned_at, count.amount)
            count.amount = meter.amount
            self._groups.clear()
        return count

    def _turn(self, count: Count, meter: Meter, now: int) -> None:
        """Begin the period of `now`, unless a later one has begun: a clock that goes back reopens none."""
        if meter.kind is _SLOTS:
            count.ends = _ENDLESS
            return
        span = meter.calendar.at(now)
        if span.id > count.period:
            self._begin(count, span.id)
        count.ends = end_of(meter, count.period)

    def _begin(self, count: Count, period: int) -> None:
        count.period = period
        count.ends = 0
        count.spent = count.held = count.told = 0


def _is_free(key: str, count: Count, now: int) -> bool:
    if measure_of_key(key).is_budget:
        return is_over(key, count.period, now)
    return count.earned_at <= now * count.amount and not count.held
