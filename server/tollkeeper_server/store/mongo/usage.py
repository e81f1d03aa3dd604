"""Usage events in MongoDB: one flat document each, with its part of the sums as numbers."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from tollkeeper_server.domain.usage import (
    Confidence,
    UsageEvent,
    UsageFilter,
    UsageGroup,
    UsageRow,
    less_sure,
)
from tollkeeper_server.store.documents import Document, to_document
from tollkeeper_server.store.mongo.connection import MongoPart, completes, duplicates_in
from tollkeeper_server.store.mongo.documents import to_stored, with_key
from tollkeeper_server.store.mongo.tokens import TOKENS, count
from tollkeeper_server.store.usage_fields import (
    DAY_LENGTH,
    GROUPS,
    HOUR_LENGTH,
    NOT_STORED,
    SUMS,
    to_event,
    to_row,
    wanted_times,
    wanted_values,
)

_COLLECTION = "usage"
_SUMMANDS = {"requests": 1}


class MongoUsage(MongoPart):
    """Implements `ports.UsageStore`."""

    @completes
    async def add(self, events: Sequence[UsageEvent]) -> int:
        """As the port says.

        A process or a server that dies between the two writes leaves `request_count` of tokens without a
        limit behind the events, never ahead of them.
        """
        if not events:
            return 0
        present: set[int] = set()
        try:
            await self._collection(_COLLECTION).insert_many(map(_stored, events), ordered=False)
        except BulkWriteError as error:
            present = set(duplicates_in(error))
        new: dict[str, list[datetime]] = {}
        for position, event in enumerate(events):
            if position not in present:
                new.setdefault(event.token_id, []).append(event.started_at)
        counts = [
            update for token_id, times in new.items() for update in count(token_id, len(times), max(times))
        ]
        if counts:
            await self._collection(TOKENS).bulk_write(counts, ordered=False)
        amended = [_surer_counts(events[position]) for position in present if events[position].amends]
        if amended:
            await self._collection(_COLLECTION).bulk_write(amended)
        return len(events) - len(present)

    @completes
    async def sum(self, where: UsageFilter, *, group_by: Sequence[UsageGroup], limit: int) -> list[UsageRow]:
        """As the port says."""
        names = [GROUPS[by] for by in group_by]
        rows: dict[tuple[str, ...], dict[str, int]] = {} if names else {(): {}}
        for sums in await self._passes():
            found = await self._collection(_COLLECTION).aggregate(
                [
                    {"$match": _condition(where)},
                    {
                        "$group": {
                            "_id": {name: f"${name}" for name in names} or None,
                            **{name: {"$sum": _SUMMANDS.get(name, f"${name}")} for name in sums},
                        }
                    },
                    {"$sort": {f"_id.{name}": 1 for name in names} or {"_id": 1}},
                    {"$limit": limit},
                ]
            )
            async for document in found:
                group = cast("dict[str, str]", document["_id"])
                row = rows.setdefault(tuple(group[name] for name in names), {})
                row.update({name: cast("int", document[name]) for name in sums})
        return [to_row(group_by, group, row) for group, row in rows.items()]

    @completes
    async def list(self, where: UsageFilter, *, before: str = "", limit: int) -> list[UsageEvent]:
        """As the port says."""
        condition = _condition(where)
        if before:
            condition["_id"] = {"$lt": before}
        found = self._collection(_COLLECTION).find(condition).sort("_id", -1).limit(limit)
        return [to_event(with_key(document)) async for document in found]

    async def _passes(self) -> Sequence[Sequence[str]]:
        """Return the sums to compute in one pass each: MongoDB takes one pass for all of them.

        FerretDB 1 computes only the first sum of a pass; the others come out as 0.
        """
        server = await self._connection.database.command("buildInfo")
        return [(name,) for name in SUMS] if "ferretdbVersion" in server else [SUMS]


def _condition(where: UsageFilter) -> Document:
    condition: Document = dict(wanted_values(where))
    times = {
        comparison: time
        for comparison, time in zip(("$gte", "$lt"), wanted_times(where), strict=True)
        if time
    }
    return condition | ({"started_at": times} if times else {})


def _surer_counts(event: UsageEvent) -> UpdateOne:
    """Return the update that replaces the counts of a stored event by those of this, if they are surer."""
    less = [confidence.value for confidence in less_sure(event.tokens.confidence)]
    counts = {**to_document(event.tokens), "estimated_requests": _is_estimated(event)}
    return UpdateOne({"_id": event.id, "confidence": {"$in": less}}, {"$set": counts})


def _is_estimated(event: UsageEvent) -> int:
    return int(event.tokens.confidence in {Confidence.ESTIMATED, Confidence.PENDING})


def _stored(event: UsageEvent) -> Document:
    stored = to_stored(event)
    tokens = to_document(event.tokens)
    for name in NOT_STORED:
        del stored[name]
    start = cast("str", stored["started_at"])
    return {
        **stored,
        **tokens,
        "day": start[:DAY_LENGTH],
        "hour": start[:HOUR_LENGTH],
        "failed_requests": int(event.status >= 400),
        "estimated_requests": _is_estimated(event),
    }
