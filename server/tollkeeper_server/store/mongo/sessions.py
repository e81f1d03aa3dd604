"""Sessions in MongoDB: one document each, by id."""

from datetime import datetime

from tollkeeper_server.domain.session import Session
from tollkeeper_server.store.documents import Document, time_text
from tollkeeper_server.store.mongo.connection import MongoPart, completes
from tollkeeper_server.store.mongo.documents import from_stored, to_stored

_COLLECTION = "sessions"


class MongoSessions(MongoPart):
    """Implements `ports.SessionStore`."""

    @completes
    async def add(self, session: Session) -> None:
        """As the port says."""
        await self._collection(_COLLECTION).insert_one(to_stored(session))

    @completes
    async def get(self, session_id: str) -> Session | None:
        """As the port says."""
        return await self._first({"_id": session_id})

    @completes
    async def find(self, digest: str) -> Session | None:
        """As the port says."""
        names = ("digest", "next_digest", "previous_digest")
        return await self._first({"$or": [{name: digest} for name in names]})

    @completes
    async def rotate(
        self, session_id: str, *, expected: str, following: str, at: datetime, until: datetime
    ) -> bool:
        """As the port says."""
        sessions, this = self._collection(_COLLECTION), {"_id": session_id, "digest": expected}
        found = await sessions.find_one(this)
        if found is None:
            return False
        # Whoever rotates it moves `digest`, so that `next_digest` is still what was read if that is.
        change = {
            "digest": found["next_digest"],
            "next_digest": following,
            "previous_digest": expected,
            "previous_until": time_text(until),
            "rotated_at": time_text(at),
        }
        done = await sessions.update_one(this, {"$set": change})
        return done.matched_count == 1

    @completes
    async def touch(self, session_id: str, *, at: datetime) -> None:
        """As the port says."""
        await self._collection(_COLLECTION).update_one(
            {"_id": session_id, "last_used_at": {"$lt": time_text(at)}},
            {"$set": {"last_used_at": time_text(at)}},
        )

    @completes
    async def list(self, token_mark: str, *, before: str = "", limit: int) -> list[Session]:
        """As the port says."""
        where: Document = {"token_mark": token_mark}
        if before:
            where["_id"] = {"$lt": before}
        found = self._collection(_COLLECTION).find(where).sort("_id", -1).limit(limit)
        return [from_stored(document, Session) async for document in found]

    @completes
    async def delete(self, session_id: str) -> bool:
        """As the port says."""
        done = await self._collection(_COLLECTION).delete_one({"_id": session_id})
        return done.deleted_count == 1

    @completes
    async def delete_all(self, *, but: str = "") -> int:
        """As the port says."""
        done = await self._collection(_COLLECTION).delete_many({"_id": {"$ne": but}})
        return done.deleted_count

    @completes
    async def delete_ended(self, *, used_before: datetime, created_before: datetime, limit: int) -> int:
        """As the port says."""
        ended: Document = {
            "$or": [
                {"last_used_at": {"$lt": time_text(used_before)}},
                {"created_at": {"$lt": time_text(created_before)}},
            ]
        }
        sessions = self._collection(_COLLECTION)
        found = await sessions.find(ended, {"_id": 1}).limit(limit).to_list()
        if not found:
            return 0
        done = await sessions.delete_many({"_id": {"$in": [document["_id"] for document in found]}, **ended})
        return done.deleted_count

    @completes
    async def delete_surplus(self, *, keep: int) -> int:
        """As the port says."""
        sessions = self._collection(_COLLECTION)
        found = await sessions.find({}, {"_id": 1}).sort("last_used_at", -1).skip(keep).to_list()
        if not found:
            return 0
        done = await sessions.delete_many({"_id": {"$in": [document["_id"] for document in found]}})
        return done.deleted_count

    async def _first(self, where: Document) -> Session | None:
        found = await self._collection(_COLLECTION).find_one(where)
        return None if found is None else from_stored(found, Session)
