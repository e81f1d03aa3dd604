"""What the table counts by key: budgets, slots and rates, and the operations on them.

What a member holds is counted in two generations, so that what nobody settles is spent by itself: budgets
after 30 to 60 minutes. Slots, which living members renew, come back after one to two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tollkeeper_server.domain.limit import thresholds_reached
from tollkeeper_server.ledger.meter import MeterKind
from tollkeeper_server.ledger.shared.earned import Earned
from tollkeeper_server.ledger.shared.messages import TICKS_HELD, Message, Why

_SECOND = 1_000_000
_BUDGET, _RATE, _SLOTS = MeterKind.BUDGET, MeterKind.RATE, MeterKind.SLOTS


@dataclass(slots=True)
class Count:
    """A budget, or slots. `generation` is that of `held`; `before` is what the one before it holds.

    `told` is how many thresholds of the `amount` were told.
    """

    epoch: int
    period: int
    spent: int
    generation: int
    held: int
    before: int
    seeded: bool
    told: int
    amount: int

    def reached(self, amount: int, used: int = 0) -> int:
        """Return how many thresholds are reached, were not told, and were not before so much was used; or 0.

        Of another amount than before others may be reached, or none yet.
        """
        reached = thresholds_reached(self.spent, amount)
        if reached and self.amount != amount:
            self.amount = amount
            self.told = min(self.told, thresholds_reached(self.spent - used, amount))
        if reached <= self.told:
            return 0
        self.told = reached
        return reached

    @property
    def taken(self) -> int:
        """What is spent or held."""
        return self.spent + self.held + self.before

    def turn(self, generation: int, kind: int) -> None:
        """Have what is held grow older. What was held before is spent, or a slot free."""
        if generation > self.generation:
            next_one = generation == self.generation + 1
            if kind == _BUDGET:
                self.spent += self.before + (0 if next_one else self.held)
            self.before = self.held if next_one else 0
            self.held = 0
            self.generation = generation


@dataclass(slots=True)
class Counts:
    """Counts of an epoch, which began at `since` microseconds; `tick` is the present one.

    `numbers` of an operation are those that `messages.py` names, without the operation's own.
    """

    epoch: int = 0
    since: int = 0
    tick: int = 0
    counts: dict[str, Count] = field(default_factory=dict)
    rates: dict[str, Earned] = field(default_factory=dict)

    def join(self, holding: Message) -> None:
        """Add what a member brings into the epoch."""
        key, kind, period, spent, held, told, amount = holding
        count = self._ensure(key, kind, period)
        if count.period == period:
            count.spent += spent
            count.held += held
            if told > count.told:
                count.told, count.amount = told, amount

    def reserve(self, keys: Sequence[str], numbers: Sequence[int], now: int) -> Message:
        """Hold what is needed of all meters, or of none.

        A budget without room may have thresholds that its limit was lowered to.
        """
        left: list[int] = [1]
        found: Message = []
        for place, (at, kind, need, amount, bound) in enumerate(reserved(numbers)):
            if kind == _RATE:
                earned = self._earned(keys[at], amount)
                why, wait = earned.wait(need, bound, now)
                if why:
                    number = earned.left(bound, now)[0]
                else:
                    left += (*earned.left(bound, now, need), earned.taken(need, now)[0] + earned.given)
            else:
                wait = 0
                count, why, number = self._open(keys[at], kind, bound, now)
                if count is not None:
                    room = amount - count.taken
                    left.append(room - need)
                    if need > room:
                        why, number = (Why.BUSY if kind == _SLOTS else Why.SPENT), max(room, 0)
            if why >= Why.ABSENT:
                return [0, place, why, number, 0]
            if why and (not found or why < found[2] or (why == found[2] == Why.PACE and wait > found[4])):
                found = [0, place, why, number, wait]
        if found:
            for place, (at, kind, need, amount, _) in enumerate(reserved(numbers)):
                count = self.counts.get(keys[at])
                if kind == _BUDGET and count is not None and need > amount - count.taken:
                    reached = count.reached(amount)
                    found += [place, reached] if reached else []
            return found
        for at, kind, need, amount, _ in reserved(numbers):
            if kind == _RATE:
                earned = self._earned(keys[at], amount)
                earned.at, earned.parts = earned.taken(need, now)
            else:
                self.counts[keys[at]].held += need
        return left

    def post(self, keys: Sequence[str], numbers: Sequence[int], now: int) -> Message:
        """Count what was used of what is held; return the thresholds that are reached for the first time."""
        told: Message = []
        for place, (at, kind, need, used, period, tick, amount) in enumerate(posted(numbers)):
            if kind == _RATE:
                self._earned(keys[at], amount).settle(used - need, period, now)
                continue
            count = self._ensure(keys[at], kind, period)
            if count.period != period:
                continue
            age = count.generation - (tick if kind == _SLOTS else tick // TICKS_HELD)
            if age <= 0:
                count.held -= need
            elif age == 1:
                count.before -= need
            elif kind == _BUDGET:
                count.spent -= need
            if kind == _BUDGET:
                count.spent += used
                reached = count.reached(amount, used)
                told += [place, reached] if reached else []
        return told

    def look(self, keys: Sequence[str], numbers: Sequence[int], now: int) -> Message:
        """Return how meters stand."""
        seen: Message = []
        for at, kind, amount, bound in _by(4, numbers):
            if kind == _RATE:
                seen += self._earned(keys[at], amount).left(bound, now)
                continue
            count = self._count(keys[at])
            if count is None:
                seen += [0, 0, 0, 0]
            else:
                count.turn(self._generation(kind), kind)
                seen += [count.period, count.spent, count.held + count.before, int(count.seeded)]
        return seen

    def seed(self, keys: Sequence[str], numbers: Sequence[int]) -> None:
        """Count what the store knows that others have spent of a budget."""
        for at, period, spent in _by(3, numbers):
            count = self._ensure(keys[at], _BUDGET, period)
            if count.period == period and not count.seeded:
                count.spent += spent
                count.seeded = True

    def take(self, keys: Sequence[str], numbers: Sequence[int], *, is_member: bool) -> None:
        """Count what a member takes over from another process: of a dead member, what it held."""
        for at, period, spent, held in _by(4, numbers):
            count = self._ensure(keys[at], _BUDGET, period)
            if count.period != period:
                continue
            if not is_member:
                count.spent += spent
                continue
            # What is older than both generations is spent already.
            late = min(max(count.held, 0), held)
            early = min(max(count.before, 0), held - late)
            count.held -= late
            count.before -= early
            count.spent += late + early

    def _open(self, key: str, kind: int, period: int, now: int) -> tuple[Count | None, int, int]:
        """Return a count in a period; or None, why not, and a number."""
        count = self._count(key)
        begins = period * _SECOND
        if count is None or period > count.period:
            if begins > now:
                return None, Why.EARLY, 0
            if kind == _BUDGET and begins < self.since:
                return None, Why.ABSENT, 0
            count = self._ensure(key, kind, period)
        elif period < count.period:
            return None, Why.STALE, count.period
        if not count.seeded:
            return None, Why.ABSENT, 0
        count.turn(self._generation(kind), kind)
        return count, 0, 0

    def _count(self, key: str) -> Count | None:
        count = self.counts.get(key)
        return count if count is not None and count.epoch == self.epoch else None

    def _ensure(self, key: str, kind: int, period: int) -> Count:
        """Return a count, begun anew if the period is later than its own. That may be later, too.

        What is begun is seeded if the period began no earlier than the epoch: nobody spent in it before.
        """
        count = self._count(key)
        if count is None or period > count.period:
            seeded = kind == _SLOTS or period * _SECOND >= self.since
            count = Count(self.epoch, period, 0, self._generation(kind), 0, 0, seeded, 0, 0)
            self.counts[key] = count
        else:
            count.turn(self._generation(kind), kind)
        return count

    def _generation(self, kind: int) -> int:
        return self.tick if kind == _SLOTS else self.tick // TICKS_HELD

    def _earned(self, key: str, amount: int) -> Earned:
        earned = self.rates.get(key)
        if earned is None or earned.epoch != self.epoch:
            earned = self.rates[key] = Earned(self.epoch, 0, 0, amount)
        earned.rescale(amount)
        return earned


def reserved(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Return of each meter of a reservation the place of its key, its kind, the need, amount and bound."""
    return _by(5, numbers)


def posted(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Return of each meter the place of its key, its kind, need and use, its period, tick and amount."""
    return _by(7, numbers)


def _by(size: int, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))
