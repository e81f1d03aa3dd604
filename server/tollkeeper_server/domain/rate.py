"""Rates: so much a minute on average, so much at once (the generic cell rate algorithm, GCRA).

A rate's whole state is one number, the time at which all that was taken is earned again. It counts in
parts of a microsecond, as many as the rate has units a minute, so that every unit takes a whole number of
them (60,000,000) and nothing is rounded. Times that come and go are whole microseconds since 1970.

Within any length of time no more passes than the burst and what the time earns: with a burst of a minute's
amount, a minute may see up to twice that. That holds for what is used of what passed, too. What was taken and
not used is given back only as far as no time has earned it yet: the rest would be what others have taken
since. A **mark** says until when that is (`mark_of`); the microseconds that were ever given back are counted,
so that nothing is given back twice.
"""

from msgspec import Struct

MINUTE = 60_000_000
"""Microseconds; also the parts of a microsecond that one unit of any rate takes to be earned."""
MOST_A_MINUTE = 150_000_000
"""The largest rate, burst and need: with more, Redis' floating point numbers would not be exact."""


class Rate(Struct, frozen=True):
    """`amount` units a minute, and up to `burst` of them at once."""

    amount: int
    burst: int

    def __post_init__(self) -> None:
        """Raise ValueError if a number is out of bounds."""
        for name, value in (("amount", self.amount), ("burst", self.burst)):
            if not 1 <= value <= MOST_A_MINUTE:
                raise ValueError(f"{name}: must be between 1 and {MOST_A_MINUTE:,}, not {value:,}")

    def taken(self, earned_at: int, need: int, now: int) -> int:
        """Return the state after `need` was taken at `now`, whether or not the rate admits it."""
        start = now * self.amount
        return max(earned_at, start) + need * MINUTE

    def wait(self, earned_at: int, need: int, now: int) -> int | None:
        """Return the microseconds until `need` passes, 0 if it does so now, None if it never can."""
        if need > self.burst:
            return None
        over = self.taken(earned_at, need, now) - now * self.amount - self.burst * MINUTE
        return -(-over // self.amount) if over > 0 else 0

    def remaining(self, earned_at: int, now: int) -> int:
        """Return how many units would pass at `now`."""
        return self.left(earned_at, now)[0]

    def left(self, earned_at: int, now: int) -> tuple[int, int]:
        """Return `remaining`, and the microseconds until the whole burst would pass, rounded up."""
        owed = earned_at - now * self.amount
        if owed <= 0:
            return self.burst, 0
        return max((self.burst * MINUTE - owed) // MINUTE, 0), -(-owed // self.amount)

    def rescaled(self, earned_at: int, amount: int) -> int:
        """Return the state of a rate that had another amount a minute, as this rate's: up to 1 µs later."""
        return -(-earned_at // amount) * self.amount


def mark_of(earned_at: int, amount: int, given: int) -> int:
    """Return the mark of a need that was just taken; `given` are the microseconds given back by then."""
    return earned_at // amount + given


def settled(earned_at: int, amount: int, given: int, more: int, mark: int, now: int) -> tuple[int, int]:
    """Return the state, and the microseconds ever given back, once `more` units were used than were taken.

    Where that is less than nothing, and `mark` is that of the need, what is still owed of it is given back.
    """
    if more >= 0:
        return earned_at + more * MINUTE, given
    owed = mark - given - now
    if owed <= 0:
        return earned_at, given
    back = min(-more * MINUTE, owed * amount)
    return earned_at - back, given - (-back // amount)
