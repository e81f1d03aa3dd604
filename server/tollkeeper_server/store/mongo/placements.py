"""Placements in MongoDB: one document each, by id."""

from collections.abc import Sequence
from datetime import datetime

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.store.documents import from_document, time_text, to_document
from tollkeeper_server.store.mongo.connection import MongoConnection, duplicates_in

_COLLECTION = "placements"


async def add(connection: MongoConnection, placements: Sequence[Placement]) -> None:
    """Writes placements, each in place of what has its id."""
    writes = []
    for placement in placements:
        document = to_document(placement)
        document["_id"] = document.pop("id")
        writes.append(ReplaceOne({"_id": placement.id}, document, upsert=True))
    while writes:
        try:
            await connection.database[_COLLECTION].bulk_write(writes)
        except BulkWriteError as error:
            # Another process was first to insert one: now that is replaced, and what follows it written.
            del writes[: duplicates_in(error)[0]]
        else:
            return


async def find(connection: MongoConnection, placement_id: str) -> Placement | None:
    """Returns the placement of that id, or None."""
    found = await connection.database[_COLLECTION].find_one({"_id": placement_id})
    return from_document({"id": found["_id"], **found}, Placement) if found else None


async def delete_before(connection: MongoConnection, at: datetime, limit: int) -> int:
    """Removes up to `limit` placements used before that, the oldest first; returns how many."""
    old = {"used_at": {"$lt": time_text(at)}}
    collection = connection.database[_COLLECTION]
    found = await collection.find(old, {"_id": 1}).sort("used_at", 1).limit(limit).to_list()
    if not found:
        return 0
    done = await collection.delete_many({"_id": {"$in": [document["_id"] for document in found]}, **old})
    return done.deleted_count
