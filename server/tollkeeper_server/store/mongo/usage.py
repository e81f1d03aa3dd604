"""Usage events in MongoDB: one flat document each, with what it adds to the sums as numbers."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from pymongo.errors import BulkWriteError

from tollkeeper_server.domain.usage import Confidence, Tokens, UsageEvent, UsageFilter, UsageGroup, UsageRow
from tollkeeper_server.store.documents import (
    DAY_LENGTH,
    GROUP_FIELDS,
    HOUR_LENGTH,
    MEASURES,
    from_document,
    time_text,
    to_document,
    usage_row,
)
from tollkeeper_server.store.mongo import tokens as mongo_tokens
from tollkeeper_server.store.mongo.connection import MongoConnection, duplicates_in
from tollkeeper_server.store.mongo.schema import Document

_COLLECTION = "usage"
_SUMMANDS = {"requests": 1}
_TOKEN_FIELDS = Tokens.__struct_fields__


async def add(connection: MongoConnection, events: Sequence[UsageEvent]) -> int:
    """Writes the events that are new, counts them on their tokens, and returns how many there were."""
    if not events:
        return 0
    present: set[int] = set()
    try:
        await connection.database[_COLLECTION].insert_many(map(_document, events), ordered=False)
    except BulkWriteError as error:
        present = set(duplicates_in(error))
    new: dict[str, list[datetime]] = {}
    for position, event in enumerate(events):
        if position not in present:
            new.setdefault(event.token_id, []).append(event.started_at)
    counts = [
        update
        for token_id, times in new.items()
        for update in mongo_tokens.count(token_id, len(times), max(times))
    ]
    if counts:
        await connection.database["tokens"].bulk_write(counts, ordered=False)
    return len(events) - len(present)


async def page(connection: MongoConnection, where: UsageFilter, before: str, limit: int) -> list[UsageEvent]:
    """Returns up to `limit` events with ids less than `before`, newest first."""
    condition = _condition(where)
    if before:
        condition["_id"] = {"$lt": before}
    found = connection.database[_COLLECTION].find(condition).sort("_id", -1).limit(limit)
    return [_event(document) async for document in found]


async def sums(
    connection: MongoConnection, where: UsageFilter, group_by: Sequence[UsageGroup], limit: int
) -> list[UsageRow]:
    """Returns the sums by group, ordered by the group's fields; without groups, one row."""
    names = [GROUP_FIELDS[by] for by in group_by]
    rows: dict[tuple[str, ...], dict[str, int]] = {} if names else {(): {}}
    for measures in await _batches(connection):
        found = await connection.database[_COLLECTION].aggregate(
            [
                {"$match": _condition(where)},
                {
                    "$group": {
                        "_id": {name: f"${name}" for name in names} or None,
                        **{name: {"$sum": _SUMMANDS.get(name, f"${name}")} for name in measures},
                    }
                },
                {"$sort": {f"_id.{name}": 1 for name in names} or {"_id": 1}},
                {"$limit": limit},
            ]
        )
        async for document in found:
            group = cast("dict[str, str]", document["_id"])
            row = rows.setdefault(tuple(group[name] for name in names), {})
            row.update({name: cast("int", document[name]) for name in measures})
    return [usage_row(group_by, dict(zip(names, group, strict=True)), row) for group, row in rows.items()]


async def _batches(connection: MongoConnection) -> Sequence[Sequence[str]]:
    """Returns the measures to sum in one pass each: MongoDB takes one pass for all of them.

    FerretDB 1 computes only the first sum of a pass; the others come out as 0.
    """
    server = await connection.database.command("buildInfo")
    return [(name,) for name in MEASURES] if "ferretdbVersion" in server else [MEASURES]


def _condition(where: UsageFilter) -> Document:
    condition: Document = {
        name: wanted
        for name in ("project_id", "token_id", "model_served", "upstream", "request_id")
        if (wanted := getattr(where, name))
    }
    times = {}
    if where.start:
        times["$gte"] = time_text(where.start)
    if where.end:
        times["$lt"] = time_text(where.end)
    return condition | ({"started_at": times} if times else {})


def _document(event: UsageEvent) -> Document:
    document = to_document(event)
    tokens = cast("Document", document.pop("tokens"))
    start = time_text(event.started_at)
    return {
        "_id": document.pop("id"),
        **document,
        **tokens,
        "day": start[:DAY_LENGTH],
        "hour": start[:HOUR_LENGTH],
        "failed_requests": int(event.status >= 400),
        "estimated_requests": int(event.tokens.confidence is Confidence.ESTIMATED),
    }


def _event(document: Document) -> UsageEvent:
    tokens = {name: document[name] for name in _TOKEN_FIELDS}
    return from_document({"id": document["_id"], **document, "tokens": tokens}, UsageEvent)
