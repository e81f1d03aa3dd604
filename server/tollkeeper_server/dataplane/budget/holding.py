"""What a request holds of its meters while it is served."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from tollkeeper_server.dataplane.budget.calls import NO_CALLS, Call
from tollkeeper_server.dataplane.budget.meter_set import MeterSet
from tollkeeper_server.domain.headers import Header
from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.ledger.reservation import Pending

E = TypeVar("E")
"""The exchange of a request (dataplane/exchange.py)."""


class Held(Struct, gc=False):
    """A reservation that was made for a model. `used` is what was used of each meter, once that is known.

    `charges` is what it charges to budgets if all that it was made with is used.
    """

    route_name: str
    meters: MeterSet
    pending: Pending
    charges: tuple[Charge, ...]
    used: Sequence[int] = ()


class Holding(Struct, Generic[E]):
    """The reservations of one request: for the model that it asks for, and for those that it falls back to.

    `output` is how many tokens of the answer are held, each for `text_bytes` bytes of its text. A slice, by
    which more is held, are `slice_tokens` that cost up to `slice_money` nano-dollars. `is_spent` says that
    there was too little for one, so that the answer had to end; by `ending`, if that is for another reason.
    `headers` returns what the answer to an exchange tells of the meters; `extend` holds more for one that has
    so many bytes of text by now, and returns False if there is too little. `max_output` is the maximum of its
    answer that is written into the request, 0 if that stays as it is, and `is_clamped` whether a limit has
    lowered it; `passed_over` are the calls that may not be made.
    """

    held: tuple[Held, ...]
    output: int
    text_bytes: int
    slice_tokens: int
    slice_money: int
    headers: Callable[[E], list[Header]]
    extend: Callable[[E, int], Awaitable[bool]]
    is_spent: bool = False
    ending: TollkeeperError | None = None
    max_output: int = 0
    is_clamped: bool = False
    passed_over: frozenset[Call] = NO_CALLS

    def is_passed(self, text: int) -> bool:
        """Return whether an answer with so many bytes of text may have used more than is held."""
        return text > self.output * self.text_bytes

    async def goes_on(self, exchange: E, text: int) -> bool:
        """Return whether an answer with so many bytes of text may go on; hold more, if it takes that."""
        return not self.is_passed(text) or await self.extend(exchange, text)

    def slices_for(self, text: int) -> int:
        """Return how many slices more an answer takes that has so many bytes of text."""
        return -(-(text // self.text_bytes + 1 - self.output) // self.slice_tokens)

    def holds(self) -> tuple[Charge, ...]:
        """Return what is held of budgets: what is charged if nobody settles it."""
        charges: tuple[Charge, ...] = ()
        for held in self.held:
            charges += held.charges
            for part in held.pending.more:
                charges += charges_of(held.meters, part, part.needs)
        return charges


def charges_of(meters: MeterSet, part: Pending, amounts: Sequence[int]) -> tuple[Charge, ...]:
    """Return what a reservation charges to budgets, of an amount for each of its meters."""
    charges: tuple[Charge, ...] = ()
    for at, key in meters.budgets:
        charges += (Charge(key, part.periods[at], amounts[at]),)
    return charges
