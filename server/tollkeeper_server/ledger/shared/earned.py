"""A rate at the table: when all is earned again."""

from dataclasses import dataclass

from tollkeeper_server.domain.rate import MINUTE
from tollkeeper_server.ledger.shared.messages import Why


@dataclass(slots=True)
class Earned:
    """A rate: all is earned again at `at` microseconds and `parts` of one, of which it has `amount`.

    `given` are the microseconds that were ever given back; see `domain/rate.py`.
    """

    epoch: int
    at: int
    parts: int
    amount: int
    given: int = 0

    def rescale(self, amount: int) -> None:
        """Count in parts of another amount a minute."""
        if self.amount != amount:
            if self.parts:
                self.at, self.parts = self.at + 1, 0
            self.amount = amount

    def taken(self, need: int, now: int) -> tuple[int, int]:
        """Return the state after a need was taken; see `Rate.taken`."""
        at, parts = (self.at, self.parts) if self.at >= now else (now, 0)
        whole, parts = divmod(parts + need * MINUTE, self.amount)
        return at + whole, parts

    def settle(self, more: int, mark: int, now: int) -> None:
        """Count what was used beyond what was taken; of what was not, what is still owed is given back."""
        change = more * MINUTE
        if more < 0:
            owed = max(mark - self.given - now, 0)
            if owed < -(change // self.amount):
                change = -owed * self.amount
            self.given -= change // self.amount
        whole, self.parts = divmod(self.parts + change, self.amount)
        self.at += whole

    def wait(self, need: int, burst: int, now: int) -> tuple[int, int]:
        """Return why a need is refused, 0 if it is not, and the microseconds to wait."""
        if need > burst:
            return Why.NEVER, 0
        at, parts = self.taken(need, now)
        over = (at - now) * self.amount + parts - burst * MINUTE
        return (Why.PACE, -(-over // self.amount)) if over > 0 else (0, 0)

    def left(self, burst: int, now: int, need: int = 0) -> tuple[int, int]:
        """Return how many units pass once a need is taken, and the microseconds until a full burst does."""
        at, parts = self.taken(need, now) if need else (self.at, self.parts)
        if at < now:
            return burst, 0
        owed = (at - now) * self.amount + parts
        return max((burst * MINUTE - owed) // MINUTE, 0), at - now + (1 if parts else 0)
