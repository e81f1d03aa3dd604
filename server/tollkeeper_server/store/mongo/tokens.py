"""Tokens in MongoDB. Beside its fields a document holds `remaining`, always `max_requests` less
`request_count`, so that one condition on one field decides whether a request is admitted.
"""

import asyncio
import builtins
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import cast

from pymongo.errors import DuplicateKeyError, OperationFailure

from tollkeeper_server.domain.listing import NEVER, Page
from tollkeeper_server.domain.token import EXPIRES_SOON, Token, TokenFilter, TokenState
from tollkeeper_server.store.documents import Document, listed_texts, time_text, to_token_document
from tollkeeper_server.store.mongo.connection import LONGEST_READ_MS, MongoPart, completes, ends
from tollkeeper_server.store.mongo.documents import from_stored, to_stored, with_key
from tollkeeper_server.store.mongo.listing import (
    UNLISTED,
    behind,
    every,
    listed_fields,
    searching,
    sort_of,
)
from tollkeeper_server.store.refusals import secret_taken

TOKENS = "tokens"


class MongoTokens(MongoPart):
    """Implements `ports.TokenStore`."""

    @completes
    async def add(self, token: Token) -> None:
        """As the port says."""
        stored = to_stored(token) | listed_fields(token)
        stored["remaining"] = token.max_requests - token.request_count
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
        document = to_token_document(token) | listed_fields(token)
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

    @ends
    async def page(self, where: TokenFilter, page: Page) -> list[Token]:
        """As the port says."""
        condition = every([*_conditions(where), *behind(page)])
        found = self._collection(TOKENS).find(condition).sort(sort_of(page)).limit(page.limit)
        return [from_stored(document, Token) async for document in found.max_time_ms(LONGEST_READ_MS)]

    @ends
    async def count(self, where: TokenFilter, *, most: int) -> int:
        """As the port says."""
        condition = every(_conditions(where))
        return await self._collection(TOKENS).count_documents(
            condition, limit=most, maxTimeMS=LONGEST_READ_MS
        )

    @ends
    async def allowed_models(self, start: str, *, limit: int) -> list[str]:
        """As the port says."""
        matching: Document = {"allowed_models": {"$regex": f"^{re.escape(start)}"}} if start else {}
        found = await self._collection(TOKENS).distinct("allowed_models", matching)  # by the index
        # Of a token that has one, all come.
        return sorted(str(it) for it in found if str(it).startswith(start))[:limit]

    @ends
    async def limited(self, *, limit: int) -> builtins.list[Token]:
        """As the port says."""
        condition: Document = {"limits.measure": {"$gt": ""}}
        found = self._collection(TOKENS).find(condition).sort([("last_used_at", -1), ("_id", -1)])
        return [
            from_stored(document, Token) async for document in found.limit(limit).max_time_ms(LONGEST_READ_MS)
        ]

    @completes
    async def names(self, token_ids: Collection[str]) -> Mapping[str, str]:
        """As the port says."""
        found = self._collection(TOKENS).find({"_id": {"$in": list(token_ids)}}, {"name": 1})
        return {cast("str", token["_id"]): cast("str", token["name"]) async for token in found}

    @completes
    async def last_used(self, project_ids: Collection[str]) -> dict[str, datetime]:
        """As the port says."""
        found = await asyncio.gather(
            *(
                self._collection(TOKENS).find_one(
                    {"project_id": project_id}, {"last_used_at": 1}, sort=[("last_used_at", -1)]
                )
                for project_id in project_ids
            )
        )
        times = {
            project_id: it["last_used_at"] if it else None
            for project_id, it in zip(project_ids, found, strict=True)
        }
        return {it: datetime.fromisoformat(str(time)) for it, time in times.items() if time}

    @completes
    async def fill_lists(self) -> None:
        """Write what lists sort by and search of tokens that a process of an older version added."""
        tokens = self._collection(TOKENS)
        async for stored in tokens.find(UNLISTED):
            name, text = listed_texts(with_key(stored), Token)
            fields = {"sort_name": name, "searched": text, "expiry": stored["expires_at"] or NEVER}
            await tokens.update_one({"_id": stored["_id"], **UNLISTED}, {"$set": fields})

    @completes
    async def list(self, *, after: str = "", limit: int, project_id: str = "") -> list[Token]:
        """As the port says."""
        where: Document = {"_id": {"$gt": after}}
        if project_id:
            where["project_id"] = project_id
        found = self._collection(TOKENS).find(where).sort("_id", 1).limit(limit)
        return [from_stored(document, Token) async for document in found]

    async def _first(self, where: Document) -> Token | None:
        found = await self._collection(TOKENS).find_one(where)
        return from_stored(found, Token) if found else None


def _conditions(where: TokenFilter) -> list[Document]:
    found: list[Document] = [{"project_id": where.project_id}] if where.project_id else []
    if where.states:
        assert where.at is not None, "states are those at a time"
        now, soon = time_text(where.at), time_text(where.at + EXPIRES_SOON)
        found.append({"$or": [_state(state, now, soon) for state in sorted(where.states)]})
    if where.allowing:
        found.append({"allowed_models": {"$in": sorted(where.allowing)}})
    return found + searching(where.search, where.labels)


def _state(state: TokenState, now: str, soon: str) -> Document:
    used_up: Document = {"max_requests": {"$gt": 0}, "remaining": {"$lte": 0}}
    not_used_up: Document = {"$or": [{"max_requests": 0}, {"remaining": {"$gt": 0}}]}
    match state:
        case TokenState.REVOKED:
            return {"is_active": False}
        case TokenState.EXPIRED:
            return {"is_active": True, "expiry": {"$lte": now}}
        case TokenState.EXHAUSTED:
            return {"is_active": True, "expiry": {"$gt": now}, **used_up}
        case TokenState.EXPIRING:
            return {"is_active": True, "expiry": {"$gt": now, "$lte": soon}, **not_used_up}
        case TokenState.ACTIVE:
            return {"is_active": True, "expiry": {"$gt": soon}, **not_used_up}
