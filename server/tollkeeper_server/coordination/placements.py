"""The placements this process knows, by id: the hot path asks them instead of a store."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tollkeeper_server.coordination.deadline import LOOK_UP_SECONDS, in_time
from tollkeeper_server.coordination.flights import Flights, log_defect
from tollkeeper_server.coordination.grouped import GroupedWrites
from tollkeeper_server.coordination.ports import SharedPlacements
from tollkeeper_server.coordination.unwritten import UnwrittenPlacements
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.ports import PlacementStore

logger = logging.getLogger("tollkeeper.coordination")

KEPT = timedelta(days=400)
RENEWED = timedelta(days=7)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PlacementCache:
    """Implements `Placements` with this process's memory, then the shared cache, then the store.

    An id is never given to something else, so a placement that was found stays valid for ever. Beyond
    `capacity`, the placement that was not asked for longest is forgotten here. A placement that was not used
    for 400 days is removed from the store by `delete_unused`, `batch` at a time; using a placement writes it
    again if the last time was over a week ago.

    That an id is not known is never remembered: another process may make the thing at any moment, and its
    owner may come here with it. Nor is a failure. A look-up may take `seconds`.

    What the store does not take is offered to it again every `retry_seconds`, up to 10,000 placements.
    """

    def __init__(
        self,
        store: PlacementStore,
        shared: SharedPlacements | None,
        *,
        capacity: int = 25_000,
        now: Callable[[], datetime] = _utc_now,
        batch: int = 1000,
        retry_seconds: float = 1.0,
        seconds: float = LOOK_UP_SECONDS,
    ) -> None:
        self._store = store
        self._grouped = GroupedWrites(store)
        self._shared = shared
        self._capacity = capacity
        self._now = now
        self._known: OrderedDict[str, Placement] = OrderedDict()
        self._batch = batch
        self._flights: Flights[Placement | None] = Flights(
            "placement", self._look_up, self._peek, seconds=seconds
        )
        self._seconds = seconds
        self._writes: set[asyncio.Task[Any]] = set()
        self._unwritten = UnwrittenPlacements(self._write, retry_seconds)

    async def close(self) -> None:
        """End the look-ups under way; callers that wait get `StoreUnavailableError`.

        What the store did not take is offered to it once more.
        """
        await self._flights.close()
        await asyncio.gather(*self._writes, return_exceptions=True)
        await self._unwritten.close()

    async def find_many(self, placement_ids: Collection[str]) -> dict[str, Placement]:
        """As the port says. However many callers ask for one thing at once, the store is asked once."""
        found, missing = self._peek_many(dict.fromkeys(placement_ids))
        if len(missing) == 1:
            (one,) = missing
            placement = await self._find(one)
            if placement is not None:
                found[one] = placement
        elif missing:
            looked_up = await in_time(self._look_up_many(missing), self._seconds)
            found |= looked_up | self._peek_many(missing)[0]
        return found

    async def keeping(self, project_id: str, upstreams: Collection[str]) -> set[str]:
        """As the port says."""
        unwritten = self._unwritten.upstreams_of(project_id)
        stored = await in_time(self._store.keeping(project_id, upstreams), self._seconds)
        return stored | unwritten.intersection(upstreams)

    async def delete_unused(self) -> None:
        """Remove placements that are not used any more from the store."""
        while await self._store.delete_before(self._now() - KEPT, limit=self._batch):
            pass

    async def _find(self, placement_id: str) -> Placement | None:
        joins = placement_id in self._flights
        placement = await self._flights.find(placement_id)
        if placement is None and joins:  # that look-up may have begun before the thing was made
            placement = await self._flights.find(placement_id)
        return placement

    async def remember(
        self,
        placement_id: str,
        upstream: str,
        project_id: str,
        pending: UsageEvent | None = None,
        others: Collection[str] = (),
    ) -> None:
        """As the port says. It is written even if the caller is cancelled."""
        new = [self._new(placement_id, upstream, project_id, pending)]
        new += [self._new(one, upstream, project_id) for one in others if one not in self._known]
        await asyncio.shield(self._start(self._write_new(new)))

    async def learn(self, placement_ids: Collection[str], upstream: str, project_id: str) -> None:
        """As the port says. It is written even if the caller is cancelled."""
        try:
            known = await self.find_many(placement_ids)
        except StoreUnavailableError:  # what memory knows need not be written
            known = self._peek_many(placement_ids)[0]
        new = [
            self._new(one, upstream, project_id) for one in dict.fromkeys(placement_ids) if one not in known
        ]
        if new:
            await asyncio.shield(self._start(self._write_new(new)))

    def _new(
        self, placement_id: str, upstream: str, project_id: str, pending: UsageEvent | None = None
    ) -> Placement:
        return Placement(
            id=placement_id, upstream=upstream, project_id=project_id, used_at=self._now(), pending=pending
        )

    def settle(self, placement_id: str, first: Callable[[], None]) -> None:
        """As the port says."""
        placement = self._known.get(placement_id)
        if placement is None:
            self._start(self._settle(placement_id, None, first))
            return
        settled = self._known[placement_id] = msgspec.structs.replace(placement, pending=None)
        if self._unwritten.replace(settled):
            first()
            return
        self._start(self._settle(placement_id, settled, first))

    async def _settle(self, placement_id: str, settled: Placement | None, first: Callable[[], None]) -> None:
        if await self._store.settle(placement_id):
            first()
        if self._shared is not None and settled is not None:
            await self._shared.put([settled])

    def _peek(self, placement_id: str) -> Placement | None:
        """Return the placement if memory knows it."""
        return self._peek_many([placement_id])[0].get(placement_id)

    def _peek_many(self, placement_ids: Iterable[str]) -> tuple[dict[str, Placement], list[str]]:
        """Return the placements that memory knows, and the other ids."""
        found, missing, old = {}, [], []
        now = self._now()
        for one in placement_ids:
            placement = self._known.get(one) or self._unwritten.get(one)
            if placement is None:
                missing.append(one)
                continue
            if one in self._known:
                self._known.move_to_end(one)
            if now - placement.used_at > RENEWED:
                placement = msgspec.structs.replace(placement, used_at=now)
                old.append(placement)
            found[one] = placement
        if old:
            # Memory counts it as renewed even if the write fails: 400 days leave time for further ones.
            for placement in old:
                self._known[placement.id] = placement
            self._start(self._write(old))
        return found, missing

    def _start(self, writing: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(writing)
        self._writes.add(task)
        task.add_done_callback(self._end_writing)
        return task

    def _end_writing(self, task: asyncio.Task[Any]) -> None:
        self._writes.discard(task)
        log_defect(task, "writing a placement failed")

    async def _write(self, placements: list[Placement]) -> Collection[str]:
        """Write placements; return the ids of those that another project has."""
        clashes = await self._grouped.add(placements)
        others: dict[str, Placement] = {}
        if clashes:  # they may be those of other callers in the group
            stored = await self._store.find_many(clashes)
            others = {
                it.id: stored[it.id]
                for it in placements
                if it.id in stored and stored[it.id].project_id != it.project_id
            }
        if others:
            logger.warning("%s gave a project an id that another has, which keeps it", placements[0].upstream)
        for one in others:
            self._known.pop(one, None)
        if self._shared is not None:
            await self._shared.put([others.get(it.id, it) for it in placements])
        return others

    async def _write_new(self, placements: list[Placement]) -> None:
        try:
            others = await self._write(placements)
        except StoreUnavailableError:
            known = await self._known_anywhere([placement.id for placement in placements])
            new = [placement for placement in placements if placement.id not in known]
            for placement in new:
                self._learn(placement)
            self._unwritten.add(new)
            if self._shared is not None:  # so that the other processes can be told
                await self._shared.put(new)
            raise
        for placement in placements:
            if placement.id not in others:
                self._learn(placement)

    async def _known_anywhere(self, placement_ids: list[str]) -> dict[str, Placement]:
        """Return the placements that memory or the shared cache knows, without asking the store."""
        shared = await self._shared.get(placement_ids) if self._shared is not None else {}
        return shared | self._peek_many(placement_ids)[0]

    async def _look_up(self, placement_id: str) -> Placement | None:
        return (await self._look_up_many([placement_id])).get(placement_id)

    async def _look_up_many(self, placement_ids: list[str]) -> dict[str, Placement]:
        found = await self._shared.get(placement_ids) if self._shared is not None else {}
        missing = [one for one in placement_ids if one not in found]
        if missing:
            stored = await self._store.find_many(missing)
            if stored and self._shared is not None:
                await self._shared.put([*stored.values()])
            found |= stored
        for one, placement in found.items():
            if one not in self._known:
                self._learn(placement)
        return found

    def _learn(self, placement: Placement) -> None:
        self._known[placement.id] = placement
        self._known.move_to_end(placement.id)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
