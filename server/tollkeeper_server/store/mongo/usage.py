"""Usage events in MongoDB: one flat document each, with its part of the sums as numbers."""

from collections.abc import Sequence
from operator import attrgetter
from typing import cast

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from tollkeeper_server.domain.usage import (
    Admission,
    Confidence,
    UsageEvent,
    UsageFilter,
    UsageGroup,
    UsageRow,
    less_sure,
)
from tollkeeper_server.store.documents import Document, to_document
from tollkeeper_server.store.mongo.connection import (
    LONGEST_READ_MS,
    MongoPart,
    completes,
    duplicates_in,
    ends,
)
from tollkeeper_server.store.mongo.counting import BATCH, Counting, unlimited_among, used
from tollkeeper_server.store.mongo.documents import to_stored, with_key
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
        """As the port says; `counting.py` tells how events are counted once."""
        if not events:
            return 0
        counting = Counting.of(self._connection.database)
        may_count = [event for event in events if _may_count(event)]
        unknown = {event.token_id for event in may_count if event.admission is Admission.UNKNOWN}
        free = await unlimited_among(counting.tokens, unknown) if unknown else set()
        counted = [
            event for event in may_count if event.admission is Admission.UNLIMITED or event.token_id in free
        ]
        mark = {BATCH: await counting.note(counted)} if counted else {}
        marked = {event.id for event in counted}
        present: list[int] = []
        try:
            await counting.usage.insert_many(
                [_stored(event) | (mark if event.id in marked else {}) for event in events], ordered=False
            )
        except BulkWriteError as error:
            present = duplicates_in(error)
        last = {event.token_id: event.started_at for event in sorted(events, key=attrgetter("started_at"))}
        await counting.tokens.bulk_write([used(token_id, at) for token_id, at in last.items()], ordered=False)
        # Events that are there may be of an attempt that failed.
        batches = (
            await counting.batches_of({events[position].id for position in present}) if present else set()
        )
        for batch in sorted({*batches, *mark.values()}):
            await counting.count(batch)
        amended = [_surer_counts(events[position]) for position in present if events[position].amends]
        if amended:
            await counting.usage.bulk_write(amended)
        return len(events) - len(present)

    @completes
    async def count_all(self) -> None:
        """Count the events that were inserted and not counted, because a process or the server died."""
        await Counting.of(self._connection.database).count_all()

    @ends
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
                ],
                maxTimeMS=LONGEST_READ_MS,
            )
            async for document in found:
                group = cast("dict[str, str]", document["_id"])
                row = rows.setdefault(tuple(group[name] for name in names), {})
                row.update({name: cast("int", document[name]) for name in sums})
        return [to_row(group_by, group, row) for group, row in rows.items()]

    @ends
    async def list(self, where: UsageFilter, *, before: str = "", limit: int) -> list[UsageEvent]:
        """As the port says."""
        condition = _condition(where)
        if before:
            condition["_id"] = {"$lt": before}
        found = self._collection(_COLLECTION).find(condition).sort("_id", -1).limit(limit)
        found = found.max_time_ms(LONGEST_READ_MS)
        return [to_event(with_key(document)) async for document in found]

    async def _passes(self) -> Sequence[Sequence[str]]:
        """Return the sums to compute in one pass each: MongoDB takes one pass for all of them.

        FerretDB 1 computes only the first sum of a pass; the others come out as 0.
        """
        server = await self._connection.database.command("buildInfo")
        return [(name,) for name in SUMS] if "ferretdbVersion" in server else [SUMS]


def _may_count(event: UsageEvent) -> bool:
    return event.admission is Admission.UNLIMITED or (
        event.admission is Admission.UNKNOWN and bool(event.upstream)
    )


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
