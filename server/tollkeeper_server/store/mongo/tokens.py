"""Tokens in MongoDB. Beside its fields a document holds `remaining`, always `max_requests` less
`request_count`, so that one condition on one field decides whether a request is admitted.
"""

from datetime import datetime

from pymongo.errors import DuplicateKeyError, OperationFailure

from tollkeeper_server.domain.token import Token
from tollkeeper_server.store.documents import Document, time_text, to_token_document
from tollkeeper_server.store.mongo.connection import MongoPart, completes
from tollkeeper_server.store.mongo.documents import from_stored, to_stored
from tollkeeper_server.store.refusals import secret_taken

TOKENS = "tokens"


class MongoTokens(MongoPart):
    """Implements `ports.TokenStore`."""

    @completes
    async def add(self, token: Token) -> None:
        """As the port says."""
        stored = to_stored(token) | {"remaining": token.max_requests - token.request_count}
        try:
            await self._collection(TOKENS).insert_one(stored)
        except DuplicateKeyError as error:
            raise secret_taken() from error

    @completes
    async def get(self, token_id: str) -> Token | None:
        """As the port says."""
        return await self._first({"_id": token_id})

    @completes
    async def find(self, digest: str) -> Token | None:
        """As the port says."""
        return await self._first({"digest": digest})

    @completes
    async def replace(self, token: Token, *, expected: int) -> bool:
        """As the port says."""
        tokens, this = self._collection(TOKENS), {"_id": token.id, "revision": expected}
        before = await self._first(this)
        if before is None:
            return False
        document = to_token_document(token)
        del document["id"]
        # The limit can't have changed since it was read: that would have moved the revision.
        more = token.max_requests - before.max_requests
        try:
            done = await tokens.update_one(this, {"$set": document, "$inc": {"remaining": more}})
        except OperationFailure as error:
            # MongoDB says DuplicateKeyError; FerretDB does not say what was wrong with an update.
            if await tokens.find_one({"digest": token.digest, "_id": {"$ne": token.id}}):
                raise secret_taken() from error
            raise
        return done.matched_count == 1

    @completes
    async def changed(self, *, since: datetime, limit: int) -> list[Token]:
        """As the port says."""
        where: Document = {"updated_at": {"$gte": time_text(since)}}
        found = self._collection(TOKENS).find(where).sort([("updated_at", -1), ("_id", -1)]).limit(limit)
        return [from_stored(document, Token) async for document in found]

    @completes
    async def admit(self, token_id: str, *, at: datetime) -> bool:
        """As the port says."""
        done = await self._collection(TOKENS).update_one(
            {"_id": token_id, "max_requests": {"$gt": 0}, "remaining": {"$gt": 0}},
            {"$inc": {"request_count": 1, "remaining": -1}, "$max": {"last_used_at": time_text(at)}},
        )
        return done.matched_count == 1

    @completes
    async def list(
        self, *, after: str = "", limit: int, project_id: str = "", active_at: datetime | None = None
    ) -> list[Token]:
        """As the port says."""
        where: Document = {"_id": {"$gt": after}}
        if project_id:
            where["project_id"] = project_id
        if active_at:
            where["is_active"] = True
            where["$or"] = [{"expires_at": None}, {"expires_at": {"$gt": time_text(active_at)}}]
        found = self._collection(TOKENS).find(where).sort("_id", 1).limit(limit)
        return [from_stored(document, Token) async for document in found]

    async def _first(self, where: Document) -> Token | None:
        found = await self._collection(TOKENS).find_one(where)
        return from_stored(found, Token) if found else None
