"""The placements this process knows, by id: the hot path asks them instead of a store."""

import asyncio
import logging
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tollkeeper_server.coordination.deadline import LOOK_UP_SECONDS
from tollkeeper_server.coordination.flights import Flights, log_defect
from tollkeeper_server.coordination.ports import SharedPlacements
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.ports import PlacementStore

logger = logging.getLogger("tollkeeper.coordination")

KEPT = timedelta(days=90)
RENEWED = timedelta(days=7)
MAX_UNKNOWN = 10_000
UNKNOWN_SECONDS = 1.0
MAX_UNWRITTEN = 10_000


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PlacementCache:
    """Implements `Placements` with this process's memory, then the shared cache, then the store.

    An id is never given to something else, so a placement that was found stays valid for ever. Beyond
    `capacity`, the placement that was not asked for longest is forgotten here. A placement that was not used
    for 90 days is removed from the store, which is done every `tidy_seconds`, `tidy_batch` at a time; using
    a placement writes it again if the last time was over a week ago.

    That an id is not known is remembered for a second, and only here: ids of things that were made past
    Tollkeeper may come with every request. A failure is never remembered. `clock` counts seconds;
    a look-up may take `seconds`.

    What the store does not take is offered to it again every `retry_seconds`, up to 10,000 placements.
    """

    def __init__(
        self,
        store: PlacementStore,
        shared: SharedPlacements | None,
        *,
        capacity: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
        tidy_seconds: float = 3600.0,
        tidy_batch: int = 1000,
        retry_seconds: float = 1.0,
        seconds: float = LOOK_UP_SECONDS,
    ) -> None:
        self._store = store
        self._shared = shared
        self._capacity = capacity
        self._clock = clock
        self._now = now
        self._known: OrderedDict[str, Placement] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()  # until when, by the clock
        self._tidy_seconds = tidy_seconds
        self._tidy_batch = tidy_batch
        self._flights: Flights[Placement | None] = Flights(
            "placement", self._look_up, self._peek, seconds=seconds
        )
        self._writes: set[asyncio.Task[None]] = set()
        self._tidying: asyncio.Task[None] | None = None
        self._retry_seconds = retry_seconds
        self._unwritten: OrderedDict[str, Placement] = OrderedDict()
        self._retrying: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to remove placements that are not used any more. Needs a running event loop."""
        self._tidying = asyncio.create_task(self._tidy())

    async def close(self) -> None:
        """End the look-ups under way; callers that wait get `StoreUnavailableError`.

        What the store did not take is offered to it once more.
        """
        await self._flights.close()
        tasks = [task for task in (self._tidying, self._retrying) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._writes, return_exceptions=True)
        if self._unwritten and not await self._rewrite():
            logger.error("where %d things are kept could not be stored, and is lost", len(self._unwritten))

    async def find(self, placement_id: str) -> str | None:
        """As the port says. However many callers ask at the same time, the store is asked once."""
        placement = await self._find(placement_id)
        return placement.upstream if placement is not None else None

    async def pending(self, placement_id: str) -> UsageEvent | None:
        """As the port says."""
        placement = await self._find(placement_id)
        return placement.pending if placement is not None else None

    async def _find(self, placement_id: str) -> Placement | None:
        placement = self._peek(placement_id)
        if placement is not None or self._unknown.get(placement_id, 0.0) > self._clock():
            return placement
        return await self._flights.find(placement_id)

    async def remember(
        self, placement_id: str, upstream: str, project_id: str, pending: UsageEvent | None = None
    ) -> None:
        """As the port says. It is written even if the caller is cancelled."""
        placement = Placement(
            id=placement_id, upstream=upstream, project_id=project_id, used_at=self._now(), pending=pending
        )
        self._learn(placement)
        await asyncio.shield(self._start(self._write_new(placement)))

    def settle(self, placement_id: str, first: Callable[[], None]) -> None:
        """As the port says."""
        placement = self._known.get(placement_id)
        if placement is None:
            self._start(self._settle(placement_id, None, first))
            return
        settled = self._known[placement_id] = msgspec.structs.replace(placement, pending=None)
        if placement_id in self._unwritten:
            self._unwritten[placement_id] = settled
            first()
            return
        self._start(self._settle(placement_id, settled, first))

    async def _settle(self, placement_id: str, settled: Placement | None, first: Callable[[], None]) -> None:
        if await self._store.settle(placement_id):
            first()
        if self._shared is not None and settled is not None:
            await self._shared.put(settled)

    def _peek(self, placement_id: str) -> Placement | None:
        """Return the placement if memory knows it."""
        placement = self._known.get(placement_id)
        if placement is None:
            return None
        self._known.move_to_end(placement_id)
        if self._now() - placement.used_at > RENEWED:
            return self._renew(placement)
        return placement

    def _renew(self, placement: Placement) -> Placement:
        # At once here, whether or not the write succeeds: there is time for twelve more writes.
        newer = msgspec.structs.replace(placement, used_at=self._now())
        self._known[placement.id] = newer
        self._start(self._write(newer))
        return newer

    def _start(self, writing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(writing)
        self._writes.add(task)
        task.add_done_callback(self._end_writing)
        return task

    def _end_writing(self, task: asyncio.Task[None]) -> None:
        self._writes.discard(task)
        log_defect(task, "writing a placement failed")

    async def _write(self, placement: Placement) -> None:
        # Whether or not the store takes it, the other processes can be told.
        writes = [self._store.add([placement])]
        if self._shared is not None:
            writes.append(self._shared.put(placement))
        for outcome in await asyncio.gather(*writes, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _write_new(self, placement: Placement) -> None:
        try:
            await self._write(placement)
        except StoreUnavailableError:
            self._write_later(placement)
            raise

    def _write_later(self, placement: Placement) -> None:
        self._unwritten[placement.id] = placement
        if len(self._unwritten) > MAX_UNWRITTEN:
            self._unwritten.popitem(last=False)
        if self._retrying is None or self._retrying.done():
            self._retrying = asyncio.create_task(self._retry())

    async def _retry(self) -> None:
        while self._unwritten:
            await asyncio.sleep(self._retry_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the load
            await self._rewrite()

    async def _rewrite(self) -> bool:
        """Offer the store what it did not take; return whether it took it."""
        offered = list(self._unwritten.values())
        try:
            await self._store.add(offered)
        except StoreUnavailableError:
            return False
        except Exception:
            logger.exception("writing placements again failed")
            return False
        for placement in offered:
            if self._unwritten.get(placement.id) is placement:
                del self._unwritten[placement.id]
        return True

    async def _look_up(self, placement_id: str) -> Placement | None:
        found = await self._shared.get(placement_id) if self._shared else None
        if found is None:
            found = await self._store.find(placement_id)
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
                while await self._store.delete_before(self._now() - KEPT, limit=self._tidy_batch):
                    pass
            except StoreUnavailableError:
                pass  # the poller says so
            except Exception:
                logger.exception("removing placements that are not used any more failed")
            await asyncio.sleep(self._tidy_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the load
