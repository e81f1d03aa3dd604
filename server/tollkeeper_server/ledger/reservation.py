"""Reservations: what a request may use, held until it is known what it did use.

The words are those of two-phase transfers: a reservation is pending, until it is posted (settled), voided
(given back), or timed out, which posts all of it.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from msgspec import Struct

from tollkeeper_server.domain.limit import share_out
from tollkeeper_server.ledger.meter import Meter, seconds_up

SLOT_SECONDS = 1
"""When to try again what waits for another request to end."""


class Cause(IntEnum):
    """Why a reservation is refused: of several causes the first one counts."""

    NEVER = 1
    """A rate's burst is less than the need."""
    SPENT = 2
    """A budget has less left than the need."""
    BUSY = 3
    """As many requests as may are under way."""
    PACE = 4
    """A rate has not earned the need yet."""
    UNKNOWN = 5
    """Nobody can be asked at the moment what is left."""


class Refused(Struct, frozen=True, gc=False):
    """No reservation was made, and nothing was counted on any meter.

    `meter` refuses, and has `left` to reserve. `wait` is the microseconds after which the same need passes if
    nobody else takes from the rate; None if waiting does not help, or nobody knows.
    """

    meter: Meter
    cause: Cause
    left: int = 0
    wait: int | None = None

    @property
    def retry_after(self) -> int | None:
        """Whole seconds after which to try again, None if that is of no use."""
        if self.cause is Cause.PACE and self.wait is not None:
            return seconds_up(self.wait)
        return SLOT_SECONDS if self.cause in (Cause.BUSY, Cause.UNKNOWN) else None

    @property
    def should_retry(self) -> bool:
        """Whether the same request can pass later without somebody's doing."""
        return self.cause not in (Cause.NEVER, Cause.SPENT)


class Pending:
    """A reservation that was made. `needs` and `periods` are those of its meters, in their order.

    In place of a period a rate has the mark of what was taken (`domain/rate.py`), slots have 0. `at` is when
    it was made or renewed, in microseconds; `more` is what it was topped up by.
    """

    __slots__ = ("at", "id", "meters", "more", "needs", "periods")

    def __init__(
        self, id_: str, meters: Sequence[Meter], needs: Sequence[int], periods: Sequence[int], at: int
    ) -> None:
        self.id = id_
        self.meters = meters
        self.needs = needs
        self.periods = periods
        self.at = at
        self.more: tuple[Pending, ...] = ()

    @property
    def parts(self) -> tuple["Pending", ...]:
        """The reservation as it was made, and what it was topped up by."""
        return (self, *self.more)

    @property
    def held(self) -> tuple[int, ...]:
        """What it holds of each meter, with what it was topped up by."""
        return tuple(map(sum, zip(*(part.needs for part in self.parts), strict=True)))


Outcome = Pending | Refused


class Standing(NamedTuple):
    """How a meter stands: its `amount`, what is `spent` and `held` of it, what `remaining` may be reserved.

    `reset` is the microseconds until all of it may be reserved again, None if that depends on requests. A
    rate has nothing spent or held, and may have more remaining than its amount a minute.
    """

    amount: int
    spent: int
    held: int
    remaining: int
    reset: int | None


def shared_out(pending: Pending, actual: Sequence[int]) -> list[tuple[Pending, list[int]]]:
    """Return what each part of a reservation is settled at: what goes beyond all parts, the last one has."""
    parts = pending.parts
    held = zip(*(part.needs for part in parts), strict=True)
    shares = [share_out(used, needs) for used, needs in zip(actual, held, strict=True)]
    return [(part, [share[at] for share in shares]) for at, part in enumerate(parts)]
