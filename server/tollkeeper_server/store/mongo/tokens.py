"""Tokens in MongoDB. Beside its fields a document holds `remaining`, always `max_requests` less
`request_count`, so that one condition on one field decides whether a request is admitted.
"""

from datetime import datetime

from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError, OperationFailure

from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.store.documents import from_document, time_text, to_document
from tollkeeper_server.store.mongo.connection import MongoConnection
from tollkeeper_server.store.mongo.schema import Document

_COLLECTION = "tokens"


async def add(connection: MongoConnection, token: Token) -> None:
    """Adds a token. Raises ALREADY_EXISTS if its digest or id is taken."""
    document = to_document(token)
    document["_id"] = document.pop("id")
    document["remaining"] = token.max_requests - token.request_count
    try:
        await connection.database[_COLLECTION].insert_one(document)
    except DuplicateKeyError as error:
        raise _taken() from error


async def find_one(connection: MongoConnection, where: Document) -> Token | None:
    """Returns the token that `where` names, or None."""
    found = await connection.database[_COLLECTION].find_one(where)
    return _token(found) if found else None


async def page(
    connection: MongoConnection, after: str, limit: int, project_id: str, active_at: datetime | None
) -> list[Token]:
    """Returns up to `limit` tokens with ids greater than `after`, by id."""
    where: Document = {"_id": {"$gt": after}}
    if project_id:
        where["project_id"] = project_id
    if active_at:
        where["is_active"] = True
        where["$or"] = [{"expires_at": None}, {"expires_at": {"$gt": time_text(active_at)}}]
    found = connection.database[_COLLECTION].find(where).sort("_id", 1).limit(limit)
    return [_token(document) async for document in found]


async def changed(connection: MongoConnection, since: datetime, limit: int) -> list[Token]:
    """Returns up to `limit` tokens changed since then, latest change first."""
    where: Document = {"updated_at": {"$gte": time_text(since)}}
    found = connection.database[_COLLECTION].find(where).sort([("updated_at", -1), ("_id", -1)]).limit(limit)
    return [_token(document) async for document in found]


async def replace(connection: MongoConnection, token: Token, expected: int) -> bool:
    """Writes all but the counters if the stored revision is `expected`; tells whether it did."""
    tokens = connection.database[_COLLECTION]
    before = await tokens.find_one({"_id": token.id, "revision": expected})
    if before is None:
        return False
    document = to_document(token)
    for name in ("id", "request_count", "last_used_at"):
        del document[name]
    # The limit can't have changed since it was read: that would have moved the revision.
    more = token.max_requests - _token(before).max_requests
    try:
        done = await tokens.update_one(
            {"_id": token.id, "revision": expected}, {"$set": document, "$inc": {"remaining": more}}
        )
    except OperationFailure as error:
        # MongoDB says DuplicateKeyError; FerretDB does not say what was wrong with an update.
        if await tokens.find_one({"digest": token.digest, "_id": {"$ne": token.id}}):
            raise _taken() from error
        raise
    return done.matched_count == 1


async def admit(connection: MongoConnection, token_id: str, at: datetime) -> bool:
    """Counts one request unless the limit is reached; tells whether it did."""
    done = await connection.database[_COLLECTION].update_one(
        {"_id": token_id, "max_requests": {"$gt": 0}, "remaining": {"$gt": 0}},
        {"$inc": {"request_count": 1, "remaining": -1}, "$max": {"last_used_at": time_text(at)}},
    )
    return done.matched_count == 1


def count(token_id: str, requests: int, last: datetime) -> list[UpdateOne]:
    """Returns the updates that add requests not admitted one by one, and move the time of last use."""
    return [
        UpdateOne({"_id": token_id}, {"$max": {"last_used_at": time_text(last)}}),
        UpdateOne(
            {"_id": token_id, "max_requests": 0},
            {"$inc": {"request_count": requests, "remaining": -requests}},
        ),
    ]


def _token(document: Document) -> Token:
    return from_document({"id": document["_id"], **document}, Token)


def _taken() -> TollkeeperError:
    return TollkeeperError(
        Reason.ALREADY_EXISTS, "secret: another token has it already; use another one", field="secret"
    )
