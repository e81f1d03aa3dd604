"""Placements in MongoDB: one document each, by id."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.store.documents import (
    Document,
    from_placement_document,
    time_text,
    to_placement_document,
)
from tollkeeper_server.store.mongo.connection import MongoPart, completes
from tollkeeper_server.store.mongo.documents import with_key

_COLLECTION = "placements"
_AT_ONCE = 50


class MongoPlacements(MongoPart):
    """Implements `ports.PlacementStore`."""

    @completes
    async def add(self, placements: Sequence[Placement]) -> set[str]:
        """As the port says."""
        owners: dict[str, str] = {}
        for it in placements:
            owners.setdefault(it.id, it.project_id)
        others = {it.id for it in placements if it.project_id != owners[it.id]}
        last = [*{it.id: it for it in placements if it.project_id == owners[it.id]}.values()]
        for start in range(0, len(last), _AT_ONCE):
            part = last[start : start + _AT_ONCE]
            written = await asyncio.gather(*map(self._add, part))
            others.update(it.id for it, was_written in zip(part, written, strict=True) if not was_written)
        return others

    async def _add(self, placement: Placement) -> bool:
        placements, own = self._collection(_COLLECTION), {"project_id": placement.project_id}
        while True:
            try:
                # Where another project has the id, nothing matches, and the unique key refuses the insertion.
                await placements.replace_one({"_id": placement.id, **own}, _stored(placement), upsert=True)
            except DuplicateKeyError:
                if not await placements.find_one({"_id": placement.id, **own}, {"_id": 1}):
                    return False
                # Another process has inserted it for the same project: now that is replaced.
            else:
                return True

    @completes
    async def find_many(self, placement_ids: Collection[str]) -> dict[str, Placement]:
        """As the port says."""
        if not placement_ids:
            return {}
        found = self._collection(_COLLECTION).find({"_id": {"$in": list(placement_ids)}})
        placements = [from_placement_document(with_key(document)) for document in await found.to_list()]
        return {placement.id: placement for placement in placements}

    @completes
    async def keeping(self, project_id: str, upstreams: Collection[str]) -> set[str]:
        """As the port says."""
        placements = self._collection(_COLLECTION)
        names = sorted(upstreams)
        found = await asyncio.gather(
            *(placements.find_one({"project_id": project_id, "upstream": name}, {"_id": 1}) for name in names)
        )
        return {name for name, one in zip(names, found, strict=True) if one is not None}

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
