"""The placements this process knows, by id: what the hot path asks instead of a store."""

import asyncio
import logging
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from tollkeeper_server.coordination.ports import SharedPlacements
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.ports import PlacementStore

logger = logging.getLogger("tollkeeper.coordination")

KEPT = timedelta(days=90)
RENEWED = timedelta(days=7)
MAX_UNKNOWN = 10_000
UNKNOWN_SECONDS = 1.0
_TIDY_SECONDS = 3600.0
_TIDY_BATCH = 1000


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PlacementCache:
    """Implements `Placements` with this process's memory, then the shared cache, then the store.

    An id is never given to something else, so what was found once is good for ever. Beyond `capacity`,
    what was not asked for longest is forgotten here. What nobody asked for in 90 days is removed from the
    store, every hour; using a placement writes it anew when that was not done for a week.

    That an id is not known is remembered for a second, and only here: ids of things that were made past
    Tollkeeper may come with every request. A failure is never remembered. `clock` counts seconds.
    """

    def __init__(
        self,
        store: PlacementStore,
        shared: SharedPlacements | None,
        *,
        capacity: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._store = store
        self._shared = shared
        self._capacity = capacity
        self._clock = clock
        self._now = now
        self._known: OrderedDict[str, Placement] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()  # until when, by the clock
        self._flights: dict[str, asyncio.Task[Placement | None]] = {}
        self._writes: set[asyncio.Task[None]] = set()
        self._tidying: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begins to remove what is not used any more. Needs a running event loop."""
        self._tidying = asyncio.create_task(self._tidy())

    async def close(self) -> None:
        """Ends the look-ups under way; whoever waits for one is told that the store is not reachable."""
        tasks = [*self._flights.values(), *([self._tidying] if self._tidying else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._writes, return_exceptions=True)

    async def find(self, placement_id: str) -> str | None:
        """As the port says. However many ask at the same time, the store is asked once."""
        upstream = self._peek(placement_id)
        if upstream is not None or self._unknown.get(placement_id, 0.0) > self._clock():
            return upstream
        flight = self._flights.get(placement_id) or self._depart(placement_id)
        found: Placement | None = None
        answered = False
        try:
            found = await asyncio.shield(flight)
            answered = True
        except StoreUnavailableError:
            pass
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is None or current.cancelling() or not flight.cancelled():
                raise
        # It may have been made meanwhile.
        upstream = self._peek(placement_id) or (found.upstream if found else None)
        if upstream is None and not answered:
            # An error of one's own: every caller would add to the traceback of a common one.
            raise StoreUnavailableError("the store")
        return upstream

    async def remember(self, placement_id: str, upstream: str, project_id: str) -> None:
        """As the port says. It is written even if the caller is cancelled."""
        placement = Placement(id=placement_id, upstream=upstream, project_id=project_id, used_at=self._now())
        self._learn(placement)
        await asyncio.shield(self._start_writing(placement))

    def _peek(self, placement_id: str) -> str | None:
        """Returns the upstream if memory knows it."""
        placement = self._known.get(placement_id)
        if placement is None:
            return None
        self._known.move_to_end(placement_id)
        if self._now() - placement.used_at > RENEWED:
            self._renew(placement)
        return placement.upstream

    def _renew(self, placement: Placement) -> None:
        # At once here, whether or not the write succeeds: there is time for twelve more.
        newer = msgspec.structs.replace(placement, used_at=self._now())
        self._known[placement.id] = newer
        self._start_writing(newer)

    def _start_writing(self, placement: Placement) -> asyncio.Task[None]:
        task = asyncio.create_task(self._write(placement))
        self._writes.add(task)
        task.add_done_callback(self._end_writing)
        return task

    def _end_writing(self, task: asyncio.Task[None]) -> None:
        self._writes.discard(task)
        _log_defect(task, "writing a placement failed")

    async def _write(self, placement: Placement) -> None:
        # Whether or not the store takes it, the others can be told.
        writes = [self._store.add_placements([placement])]
        if self._shared is not None:
            writes.append(self._shared.put(placement))
        for outcome in await asyncio.gather(*writes, return_exceptions=True):
            if outcome is not None:
                raise outcome

    def _depart(self, placement_id: str) -> asyncio.Task[Placement | None]:
        flight = asyncio.create_task(self._look_up(placement_id))
        self._flights[placement_id] = flight
        flight.add_done_callback(lambda task: self._arrive(placement_id, task))
        return flight

    def _arrive(self, placement_id: str, task: asyncio.Task[Placement | None]) -> None:
        del self._flights[placement_id]
        _log_defect(task, "looking up a placement failed")

    async def _look_up(self, placement_id: str) -> Placement | None:
        found = await self._shared.get(placement_id) if self._shared else None
        if found is None:
            found = await self._store.find_placement(placement_id)
            if found is not None and self._shared is not None:
                await self._shared.put(found)
        if placement_id not in self._known:
            if found is None:
                self._note_unknown(placement_id)
            else:
                self._learn(found)
        return found

    def _learn(self, placement: Placement) -> None:
        self._unknown.pop(placement.id, None)
        self._known[placement.id] = placement
        self._known.move_to_end(placement.id)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def _note_unknown(self, placement_id: str) -> None:
        self._unknown[placement_id] = self._clock() + UNKNOWN_SECONDS
        self._unknown.move_to_end(placement_id)
        if len(self._unknown) > MAX_UNKNOWN:
            self._unknown.popitem(last=False)

    async def _tidy(self) -> None:
        while True:
            try:
                while await self._store.delete_placements_before(self._now() - KEPT, limit=_TIDY_BATCH):
                    pass
            except StoreUnavailableError:
                pass  # the poller says so
            except Exception:
                logger.exception("removing placements that are not used any more failed")
            await asyncio.sleep(_TIDY_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the load


def _log_defect(task: asyncio.Task[Placement | None] | asyncio.Task[None], what: str) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, StoreUnavailableError):
        logger.error(what, exc_info=error)
