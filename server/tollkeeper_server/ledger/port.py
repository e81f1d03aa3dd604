"""The port of the ledger: reserve before a request is sent, settle after it.

Of every budget: what is spent and what is held come to no more than the amount, if no request uses more
than it has reserved. One that does is charged in full, and nobody is admitted until there is room again.

`now` is microseconds since 1970. Ledgers that processes share go by the clock of whoever keeps them. What is
settled goes by the ledger's own.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from tollkeeper_server.ledger.meter import Meter
from tollkeeper_server.ledger.reservation import Outcome, Standing

Crossed = Callable[[Meter, int], None]
"""Is told once a period and amount that a budget has reached a threshold, by the number of those reached."""


class Ledger(Protocol):
    """Counts what requests use. No method raises for what a caller did; a repeated call changes nothing."""

    def reserve(
        self, reservation_id: str, /, meters: tuple[Meter, ...], needs: Sequence[int], now: int
    ) -> Outcome | Awaitable[Outcome]:
        """Hold what a request needs of each meter, of all or of none.

        Ids are new for each request. For whoever stops waiting for the answer nothing is held: it is given
        back. An awaitable is for one waiter.
        """

    def top_up(
        self, reservation_id: str, /, needs: Sequence[int], now: int
    ) -> Outcome | Awaitable[Outcome | None] | None:
        """Hold more of the same meters, of all or of none; None if the reservation is not pending.

        Whoever stops waiting may hold more until the reservation is settled, which settles that, too.
        """

    def settle(self, reservation_id: str, /, actual: Sequence[int]) -> bool:
        """Charge what the request used in place of what it held; return whether it was pending or timed out.

        A need may turn out higher than what was held. Slots are given back, whatever `actual` says of them.
        """

    def give_back(self, reservation_id: str, /) -> bool:
        """Charge nothing: the request was not sent. Return whether it was pending or timed out."""

    def standing(self, meter: Meter, /, now: int) -> Standing | None:
        """Return how a meter stands, as far as this process knows; None if it knows nothing of it."""

    def left(self, rate: Meter, /, now: int) -> tuple[int, int] | None:
        """Return how much of a rate may be reserved, and the microseconds until its whole burst may be again.

        As far as this process knows; None if it knows nothing of it.
        """

    def look(
        self, meters: Sequence[Meter], /, now: int
    ) -> Sequence[Standing | None] | Awaitable[Sequence[Standing | None]]:
        """Return how meters stand, as whoever keeps the counts knows; None of one that nobody knows."""
