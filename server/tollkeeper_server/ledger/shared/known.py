"""What a process last heard of meters from the table, and what time it is there."""

from collections.abc import Callable, Sequence

from tollkeeper_server.domain.period import FOREVER
from tollkeeper_server.ledger.meter import Meter, MeterKind, is_over
from tollkeeper_server.ledger.reservation import Pending, Standing
from tollkeeper_server.ledger.shared.messages import TICK, Message
from tollkeeper_server.ledger.shared.queue import Look

_SECOND = 1_000_000
_BUDGET, _RATE = MeterKind.BUDGET, MeterKind.RATE


class Known:
    """What is left of meters by the latest replies. `left` is the period and what is left of it, by key.

    `tick` and `live`, the members of the epoch, are the table's. What others hold counts as spent.
    """

    def __init__(self, beyond: Callable[[str], object] | None) -> None:
        """`beyond` is told of budgets as `Member` says."""
        self.tick = 0
        self.live = 0
        self.left: dict[str, tuple[int, int]] = {}
        self._beyond = beyond
        self._offset = 0
        self._full_at: dict[str, int] = {}
        self._floors: dict[str, int] = {}

    @property
    def held_since(self) -> int:
        """What is reserved now is held since then: the microsecond at which the table's tick began."""
        return self.tick * TICK

    def heard(self, reply: Message, now: int) -> None:
        """Take the table's time, at `now` of this process, and its members from a reply."""
        self.tick, time, self.live = reply[1:4]
        self._offset = time - now

    def time(self, now: int) -> int:
        """Return the table's time when it is `now` in this process."""
        return now + self._offset

    def period(self, meter: Meter, time: int) -> int:
        """Return the present period of a budget, which may be later at the table than its time says."""
        present = meter.calendar.at(time).id
        return max(present, self._floors.get(meter.key, 0)) if self._floors else present

    def goes_on_in(self, meter: Meter, period: int) -> None:
        """Note that a later period has begun at the table."""
        self._floors[meter.key] = period

    def begin_epoch(self) -> None:
        """Forget which periods the table had begun."""
        self._floors.clear()

    def sweep(self, now: int) -> set[str]:
        """Forget budgets whose period is over, and rates of which all is earned; return their keys."""
        time = self.time(now)
        gone = {
            key
            for key, (period, _) in self.left.items()
            if is_over(key, period, time) or self._full_at.get(key, FOREVER * _SECOND) <= time
        }
        for key in gone:
            del self.left[key]
            self._full_at.pop(key, None)
            self._floors.pop(key, None)
        return gone

    def refused(self, meter: Meter, period: int, left: int) -> None:
        """Note what is left of a meter that has refused."""
        if meter.kind is not _RATE:
            self.left[meter.key] = (period, left)

    def reserved(self, part: Pending, left: Sequence[int], now: int) -> None:
        """Note what is left of the meters of a reservation that was made, and the marks of rates."""
        known, at = self.left, 0
        periods = part.periods = list(part.periods)
        for place, meter in enumerate(part.meters):
            period = periods[place]
            known[meter.key] = (period, left[at])
            if (
                meter.kind is _BUDGET
                and self._beyond is not None
                and meter.amount - left[at] >= meter.marks[0]
            ):
                self._beyond(meter.key)
            at += 1
            if meter.kind is _RATE:
                self._full_at[meter.key] = self.time(now) + left[at]
                periods[place] = left[at + 1]
                at += 2

    def standing(self, meter: Meter, now: int) -> Standing | None:
        """Return how a meter stood by the latest reply, None if nothing is known of its present period."""
        known, time = self.left.get(meter.key), self.time(now)
        if known is None or (meter.kind is _BUDGET and self.period(meter, time) != known[0]):
            return None
        left = max(known[1], 0)
        if meter.kind is _RATE:
            return Standing(meter.amount, 0, 0, left, max(self._full_at[meter.key] - time, 0))
        return Standing(meter.amount, meter.amount - left, 0, left, reset_of(meter, time))

    def standings(self, entry: Look, numbers: Sequence[int], now: int) -> list[Standing | None]:
        """Return what the table has said of meters; None for one that it does not know."""
        time = self.time(now)
        found: list[Standing | None] = []
        rest = iter(numbers)
        for meter, period in zip(entry.meters, entry.periods, strict=True):
            if meter.kind is _RATE:
                found.append(Standing(meter.amount, 0, 0, next(rest), next(rest)))
                continue
            begun, spent, held, seeded = (next(rest) for _ in range(4))
            if begun < period:
                spent = held = 0
            elif not seeded:
                found.append(None)
                continue
            left = max(meter.amount - spent - held, 0)
            found.append(Standing(meter.amount, spent, held, left, reset_of(meter, time)))
        return found


def reset_of(meter: Meter, time: int) -> int | None:
    """Return the microseconds until a budget's next period begins; None for a total, and for slots."""
    end = meter.calendar.at(time).end if meter.kind is _BUDGET else FOREVER
    return end * _SECOND - time if end < FOREVER else None
