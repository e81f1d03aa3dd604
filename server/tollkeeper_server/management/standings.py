"""What the management plane asks a process of how limits stand."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from tollkeeper_server.domain.limit import Limit, Scope
from tollkeeper_server.domain.standing import LimitStanding


class AllStandings(Struct, frozen=True):
    """How the limits of all scopes stand, the nearest first. Not all tokens may have been looked at."""

    standings: Sequence[LimitStanding]
    tokens_left_out: bool


class Standings(Protocol):
    """How limits stand. Raises `StoreUnavailableError`."""

    async def of(self, scope: Scope, limits: Sequence[Limit]) -> Sequence[LimitStanding]:
        """Return how the limits of a scope stand, in their order; of those that count the same, the least."""

    async def all(self) -> AllStandings:
        """Return how those of all scopes stand that take traffic, as they were a moment ago.

        That is within the latest second, or, of more than 1,000 limits, a second for each 1,000.
        """
