"""Placements in MongoDB: one document each, by id."""

from collections.abc import Sequence
from datetime import datetime

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.store.documents import (
    Document,
    from_placement_document,
    time_text,
    to_placement_document,
)
from tollkeeper_server.store.mongo.connection import MongoPart, completes, duplicates_in
from tollkeeper_server.store.mongo.documents import with_key

_COLLECTION = "placements"


class MongoPlacements(MongoPart):
    """Implements `ports.PlacementStore`."""

    @completes
    async def add(self, placements: Sequence[Placement]) -> None:
        """As the port says."""
        writes = [ReplaceOne({"_id": it.id}, _stored(it), upsert=True) for it in placements]
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
        return from_placement_document(with_key(found)) if found else None

    @completes
    async def settle(self, placement_id: str) -> bool:
        """As the port says."""
        done = await self._collection(_COLLECTION).update_one(
            {"_id": placement_id, "pending": {"$gt": ""}}, {"$set": {"pending": None}}
        )
        return done.matched_count == 1

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


def _stored(placement: Placement) -> Document:
    document = to_placement_document(placement)
    document["_id"] = document.pop("id")
    return document
