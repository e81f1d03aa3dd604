"""Removes what was spent in periods that are over: of each calendar the present and the last one stay.

What counts in total stays for good: of each budget one record for all that processes have spent which are
dead, and one for each that lives. So does in its periods what was spent by a project, token, model or
listener that is deleted. Ids never come again, and a name that is given again goes on with what was used
under it: nobody gets around a budget by deleting what it stands on.
"""

from collections.abc import Awaitable, Callable, Sequence
from zoneinfo import ZoneInfo

from tollkeeper_server.domain.limit import calendar_named
from tollkeeper_server.domain.period import Period, span_at
from tollkeeper_server.store.ports import LedgerStore

_BATCH = 1000
DEAD_SECONDS = 7 * 86_400
"""A process that has not swept for so long is dead. What one has spent that comes back may count twice."""

Members = Callable[[], Awaitable[Sequence[str] | None]]
"""Returns who has joined the ledger that processes share, none if there is none; None if nobody knows."""


class Sweeping:
    """Sweeps the store's records of spending; any number of processes may."""

    def __init__(
        self,
        store: LedgerStore,
        now: Callable[[], int],
        owner: str,
        members: Members,
        *,
        batch: int = _BATCH,
    ) -> None:
        """Take a clock, in microseconds since 1970, this process's name, and how many records a batch has."""
        self._store = store
        self._now = now
        self._owner = owner
        self._members = members
        self._batch = batch

    async def sweep(self) -> None:
        """Remove what counts no more, and sum up what is to stay. Raises `StoreUnavailableError`."""
        members = await self._members()
        if members is not None:
            at = self._now() // 1_000_000
            while await self._store.fold(
                self._owner, at, before=at - DEAD_SECONDS, members=members, limit=self._batch
            ):
                pass
        for name in sorted(await self._store.calendars()):
            calendar = calendar_named(name)
            if calendar.period is Period.TOTAL:
                continue
            present = calendar.at(self._now())
            last = span_at(calendar.period, ZoneInfo(calendar.zone), present.id - 1)
            while await self._store.delete_before(name, last.id, limit=self._batch):
                pass
