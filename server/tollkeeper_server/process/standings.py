"""How limits stand, by the ledger of this process: that of all processes, where they share one."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from tollkeeper_server.domain.limit import Limit, Scope
from tollkeeper_server.domain.standing import LimitStanding
from tollkeeper_server.domain.token import Token
from tollkeeper_server.ledger.meter import Meter
from tollkeeper_server.ledger.port import Ledger
from tollkeeper_server.ledger.standings import limit_standing, look, time_of
from tollkeeper_server.management.standings import AllStandings
from tollkeeper_server.snapshot.meters import TokenMeters, meters_of
from tollkeeper_server.snapshot.model import Snapshot
from tollkeeper_server.store.ports import TokenStore

MOST_TOKENS = 1000
"""Of more tokens that have limits, those that were used latest are looked at."""
# So many take the event loop about half a millisecond.
_AT_ONCE = 50
_KEPT_MICROSECONDS = 1_000_000
# To look at a meter takes about 12 microseconds: so it is a hundredth of the time at most.
_KEPT_FOR_EACH = 1_000


class LedgerStandings:
    """Implements `management.standings.Standings`. One look serves all who ask within a second, or a few."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], int],
        current: Callable[[], Snapshot],
        tokens: TokenStore,
    ) -> None:
        """`clock` is the ledger's, in microseconds."""
        self._ledger = ledger
        self._clock = clock
        self._current = current
        self._tokens = tokens
        self._token_meters = TokenMeters(MOST_TOKENS)
        self._looking = asyncio.Lock()
        self._latest: AllStandings | None = None
        self._looked_at = 0

    async def of(self, scope: Scope, limits: Sequence[Limit]) -> Sequence[LimitStanding]:
        """As the port says."""
        return await self._look(meters_of(scope, limits))

    async def all(self) -> AllStandings:
        """As the port says."""
        async with self._looking:
            latest = self._latest
            if latest is not None:
                kept = max(_KEPT_MICROSECONDS, len(latest.standings) * _KEPT_FOR_EACH)
                if 0 <= self._clock() - self._looked_at < kept:
                    return latest
            tokens = await self._tokens.limited(limit=MOST_TOKENS + 1)
            now = time_of(self._clock())
            meters = [*_configured(self._current())]
            for token in tokens[:MOST_TOKENS]:
                if _is_in_use(token, self._current(), now):
                    meters += self._token_meters.of(token)
            found = await self._look(meters)
            found.sort(key=lambda it: (-it.share, not it.limit.measure.is_budget))
            self._latest = AllStandings(found, len(tokens) > MOST_TOKENS)
            self._looked_at = self._clock()
            return self._latest

    async def _look(self, meters: Sequence[Meter]) -> list[LimitStanding]:
        found: list[LimitStanding] = []
        for first in range(0, len(meters), _AT_ONCE):
            some = meters[first : first + _AT_ONCE]
            known = await look(self._ledger, some, self._clock())
            now = self._clock()
            found += [limit_standing(*it, now) for it in zip(some, known, strict=True)]
            await asyncio.sleep(0)
        return found


def _configured(snapshot: Snapshot) -> Iterator[Meter]:
    """Yield the meters of all that takes traffic but tokens."""
    yield from snapshot.meters
    for listener in snapshot.listeners.values():
        yield from listener.meters
    for project in snapshot.projects.values():
        if project.is_active:
            yield from project.meters
    # A route is there under each of its names.
    routes = {route.name: route for route in (*snapshot.routes.values(), *snapshot.patterns)}
    for route in routes.values():
        yield from route.meters


def _is_in_use(token: Token, snapshot: Snapshot, now: datetime) -> bool:
    if not token.is_active or (token.expires_at is not None and token.expires_at <= now):
        return False
    project = snapshot.projects.get(token.project_id)
    return project is None or project.is_active
