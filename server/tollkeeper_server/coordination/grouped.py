"""Writing placements in groups: what comes while the store writes is written together after that."""

import asyncio

from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.store.ports import PlacementStore


class GroupedWrites:
    """Has a store write placements, one group at a time. A group is written even if its callers leave."""

    def __init__(self, store: PlacementStore) -> None:
        self._store = store
        self._group: list[Placement] = []
        self._writing: asyncio.Task[set[str]] | None = None  # of a group that grows
        self._last: asyncio.Task[set[str]] | None = None

    async def add(self, placements: list[Placement]) -> set[str]:
        """Write placements; return the ids of the group that another project has, as the store's port says.

        Raises `StoreUnavailableError` if the group can't be written.
        """
        if self._writing is None:
            self._group = []
            self._writing = self._last = asyncio.create_task(self._write(self._group, self._last))
        self._group += placements
        return await asyncio.shield(self._writing)

    async def _write(self, group: list[Placement], before: asyncio.Task[set[str]] | None) -> set[str]:
        if before is not None:
            await asyncio.wait([before])
        self._writing = None
        return await self._store.add(group)
