"""Placements in MongoDB: one document each, by id."""

from collections.abc import Sequence
from datetime import datetime

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.store.documents import time_text
from tollkeeper_server.store.mongo.connection import MongoPart, completes, duplicates_in
from tollkeeper_server.store.mongo.documents import from_stored, to_stored

_COLLECTION = "placements"


class MongoPlacements(MongoPart):
    """Implements `ports.PlacementStore`."""

    @completes
    async def add(self, placements: Sequence[Placement]) -> None:
        """As the port says."""
        writes = [ReplaceOne({"_id": it.id}, to_stored(it), upsert=True) for it in placements]
        while writes:
            try:
                await self._collection(_COLLECTION).bulk_write(writes)
            except BulkWriteError as error:
                # Another process has inserted one first: now that is replaced, and the rest written.
                del writes[: duplicates_in(error)[0]]
            else:
                return

    @completes
    async def find(self, placement_id: str) -> Placement | None:
        """As the port says."""
        found = await self._collection(_COLLECTION).find_one({"_id": placement_id})
        return from_stored(found, Placement) if found else None

    @completes
    async def delete_before(self, at: datetime, *, limit: int) -> int:
        """As the port says."""
        old = {"used_at": {"$lt": time_text(at)}}
        placements = self._collection(_COLLECTION)
        found = await placements.find(old, {"_id": 1}).sort("used_at", 1).limit(limit).to_list()
        if not found:
            return 0
        done = await placements.delete_many({"_id": {"$in": [document["_id"] for document in found]}, **old})
        return done.deleted_count
