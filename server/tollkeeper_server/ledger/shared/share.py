"""What a process may reserve alone while the table is away: its share of what it last knew was left."""

from collections.abc import Sequence

from tollkeeper_server.domain.rate import MINUTE, Rate
from tollkeeper_server.ledger.meter import Meter, MeterKind
from tollkeeper_server.ledger.reservation import Cause, Pending, Refused, Standing


class Share:
    """One outage: of each meter, what is left divided by the number of members.

    All of them together overspend by no more than what the others have taken since each had its last reply.
    """

    def __init__(self, members: int, known: dict[str, tuple[int, int]], began: int) -> None:
        """`known` is the period and what was left of meters, by key; `began` the time, in microseconds."""
        self._members = max(members, 1)
        self._known = known
        self._began = began
        self._left: dict[tuple[str, int], int] = {}
        self._others: dict[tuple[str, int], int] = {}
        self._earned_at: dict[str, int] = {}

    def refusal(
        self, meters: Sequence[Meter], needs: Sequence[int], periods: Sequence[int], now: int
    ) -> Refused | None:
        """Return why a need is more than the share, None if it is not."""
        for meter, need, period in zip(meters, needs, periods, strict=True):
            if meter.kind is MeterKind.RATE:
                rate = self._rate(meter)
                wait = rate.wait(self._earned_at.get(meter.key, 0), need, now)
                if wait is None and need <= meter.rate.burst:
                    wait = need * MINUTE // rate.amount  # more than this process's part of the burst
                if wait != 0:
                    cause = Cause.NEVER if wait is None else Cause.PACE
                    left = rate.remaining(self._earned_at.get(meter.key, 0), now)
                    return Refused(meter, cause, left, wait)
                continue
            left_of = self._room(meter, period)
            if left_of is None:
                return Refused(meter, Cause.UNKNOWN)
            if need > left_of + self._others[meter.key, period]:
                cause = Cause.BUSY if meter.kind is MeterKind.SLOTS else Cause.SPENT
                return Refused(meter, cause, max(left_of, 0))
            if need > left_of:
                # Others may have used what is not this process's, or not.
                return Refused(meter, Cause.UNKNOWN, max(left_of, 0))
        return None

    def standing(self, meter: Meter, period: int, now: int, reset: int | None) -> Standing:
        """Return how a meter stands, of which `remaining` is what this process may reserve."""
        if meter.kind is MeterKind.RATE:
            return Standing(
                meter.amount, 0, 0, *self._rate(meter).left(self._earned_at.get(meter.key, 0), now)
            )
        left = self._room(meter, period)
        if left is None:
            return Standing(meter.amount, 0, 0, 0, reset)
        spent = max(meter.amount - left - self._others[meter.key, period], 0)
        return Standing(meter.amount, spent, 0, max(left, 0), reset)

    def take(self, part: Pending, now: int) -> None:
        """Count a reservation that was made of the share."""
        for meter, need, period in zip(part.meters, part.needs, part.periods, strict=True):
            if meter.kind is MeterKind.RATE:
                earned_at = self._earned_at.get(meter.key, 0)
                self._earned_at[meter.key] = self._rate(meter).taken(earned_at, need, now)
            else:
                self._left[meter.key, period] -= need

    def give(self, part: Pending, used: Sequence[int]) -> None:
        """Count what a reservation, made of the share or before, has not used. More is owed."""
        for meter, need, period, amount in zip(part.meters, part.needs, part.periods, used, strict=True):
            # A rate's part is so small, and an outage so short, that nothing of it is given back.
            if meter.kind is not MeterKind.RATE and (meter.key, period) in self._left:
                kept = 0 if meter.kind is MeterKind.SLOTS else amount
                self._left[meter.key, period] += need - kept

    def rest(self) -> dict[str, tuple[int, int]]:
        """Return the period and what is left of meters by key, as if each member had taken as much.

        It is what is known until the table tells again: the next outage has no more than the rest of a share.
        """
        return {key: (period, left * self._members) for (key, period), left in self._left.items()}

    def _rate(self, meter: Meter) -> Rate:
        rate = meter.rate
        return Rate(max(rate.amount // self._members, 1), max(rate.burst // self._members, 1))

    def _room(self, meter: Meter, period: int) -> int | None:
        """Return what is left of the share, None if this process has never known what was left."""
        left = self._left.get((meter.key, period))
        if left is None:
            known = self._known.get(meter.key)
            if known is not None and known[0] == period:
                whole = known[1]
            elif meter.kind is MeterKind.SLOTS or period * 1_000_000 >= self._began:
                whole = meter.amount
            else:
                return None
            left = self._left[meter.key, period] = whole // self._members
            self._others[meter.key, period] = whole - left
        return left
