"""Usage events in MongoDB: one flat document each, with its part of the sums as numbers."""

import asyncio
import builtins
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import cast

from bson import decode_all
from pymongo.errors import BulkWriteError, ConnectionFailure, PyMongoError

from tollkeeper_server.domain.usage import (
    Admission,
    Place,
    StoredEvent,
    UsageEvent,
    UsageFilter,
    UsageGroup,
)
from tollkeeper_server.domain.usage_sums import DAY_LENGTH, HOUR_LENGTH, Latency
from tollkeeper_server.store.documents import Document, to_document
from tollkeeper_server.store.mongo.charging import CHARGED_BY, Charging
from tollkeeper_server.store.mongo.connection import (
    LONGEST_READ_MS,
    MongoPart,
    completes,
    duplicates_in,
    ends,
)
from tollkeeper_server.store.mongo.counting import BATCH, Counting, unlimited_among, used
from tollkeeper_server.store.mongo.documents import to_stored, with_key
from tollkeeper_server.store.mongo.numbering import Numbering
from tollkeeper_server.store.mongo.usage_groups import BucketReader, GroupReader
from tollkeeper_server.store.ports import TakeGroups
from tollkeeper_server.store.usage_fields import (
    GROUPS,
    GUESSED,
    NOT_STORED,
    SUMMED,
    attempts_text,
    charges_text,
    details_text,
    to_event,
    wanted_times,
    wanted_values,
)

_COLLECTION = "usage"
_SUMMANDS = {"requests": 1}
_TIMES = {0: [], DAY_LENGTH: ["day"], HOUR_LENGTH: ["hour"]}
"""The stored field that has the beginning of `started_at` of a length."""
_BATCH = 2000


class MongoUsage(MongoPart):
    """Implements `ports.UsageStore`."""

    @completes
    async def add(self, events: Sequence[UsageEvent], *, owner: str = "") -> int:
        """As the port says; `numbering.py` tells of their order.

        `counting.py` and `charging.py` tell how each is counted once.
        """
        if not events:
            return 0
        numbering = Numbering(self._connection.database)
        number = await numbering.begin()
        try:
            added = await self._add(events, number, owner)
        except ConnectionFailure:
            raise  # to close the batch would wait for the server, too; after a while nobody minds it
        except PyMongoError:
            await numbering.close(number)
            raise
        await numbering.close(number)
        return added

    async def _add(self, events: Sequence[UsageEvent], number: int, owner: str) -> int:
        counting = Counting.of(self._connection.database)
        charging = Charging.of(self._connection.database)
        may_count = [event for event in events if _may_count(event)]
        unknown = {event.token_id for event in may_count if event.admission is Admission.UNKNOWN}
        free = await unlimited_among(counting.tokens, unknown) if unknown else set()
        counted = [
            event for event in may_count if event.admission is Admission.UNLIMITED or event.token_id in free
        ]
        mark = {BATCH: await counting.note(counted)} if counted else {}
        marked = {event.id for event in counted}
        charged = [event for event in events if event.charges]
        charge_mark = {CHARGED_BY: await charging.note(charged, owner)} if charged else {}
        present: list[int] = []
        try:
            await counting.usage.insert_many(
                [
                    _stored(event)
                    | {"stored": number}
                    | (mark if event.id in marked else {})
                    | (charge_mark if event.charges else {})
                    for event in events
                ],
                ordered=False,
            )
        except BulkWriteError as error:
            present = duplicates_in(error)
        last = {event.token_id: event.started_at for event in sorted(events, key=attrgetter("started_at"))}
        await counting.tokens.bulk_write([used(token_id, at) for token_id, at in last.items()], ordered=False)
        # Events that are there may be of an attempt that failed.
        ids = {events[position].id for position in present}
        for batch in sorted({*(await counting.batches_of(ids) if ids else ()), *mark.values()}):
            await counting.count(batch)
        for batch in sorted({*(await charging.batches_of(ids) if ids else ()), *charge_mark.values()}):
            await charging.charge(batch)
        for event in (events[position] for position in present if events[position].amends):
            await charging.amend(event, {**_counts(event), "amended": number}, owner)
        return len(events) - len(present)

    @completes
    async def count_all(self) -> None:
        """Count the events that were inserted and not counted, because a process or the server died."""
        await Counting.of(self._connection.database).count_all()
        await Charging.of(self._connection.database).charge_all()

    @ends
    async def sum(
        self, where: UsageFilter, *, group_by: Sequence[UsageGroup], time_length: int, take: TakeGroups
    ) -> None:
        """As the port says. Groups that are no stored fields are made of the events here."""
        if time_length not in _TIMES or UsageGroup.STATUS_CLASS in group_by:
            read = GroupReader(group_by, time_length)
            await self._read(where, read.fields, read.add)
            return await asyncio.to_thread(read.give, take)
        names = [GROUPS[by] for by in group_by] + _TIMES[time_length]
        groups: dict[tuple[str, ...], dict[str, int]] = {}
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
                ],
                maxTimeMS=LONGEST_READ_MS,
            )
            async for document in found:
                of = cast("dict[str, str]", document["_id"])
                group = groups.setdefault(tuple(of[name] for name in names), {})
                group.update({name: cast("int", document[name]) for name in sums})
        no_time = () if time_length else ("",)
        # An event that is added between two passes may begin a group in the later one.
        given = [
            (*group, *no_time, *(groups[group].get(name, 0) for name in SUMMED)) for group in sorted(groups)
        ]
        return await asyncio.to_thread(take, given)

    @ends
    async def count_times(
        self,
        of: Latency,
        where: UsageFilter,
        *,
        group_by: Sequence[UsageGroup],
        time_length: int,
        take: TakeGroups,
    ) -> None:
        """As the port says. MongoDB has percentiles from version 7 on, FerretDB none: they are made here."""
        read = BucketReader(of, group_by, time_length)
        await self._read(where, read.fields, read.add)
        await asyncio.to_thread(read.give, take)

    async def _read(
        self, where: UsageFilter, fields: Sequence[str], take: Callable[[Sequence[Document]], None]
    ) -> None:
        """Read some fields of events; decode and take them in another thread."""
        found = self._collection(_COLLECTION).find_raw_batches(
            _condition(where), dict.fromkeys(fields, 1), batch_size=_BATCH
        )
        async for batch in found.max_time_ms(LONGEST_READ_MS):
            data = cast("bytes", batch)  # pymongo types the batches as documents
            await asyncio.to_thread(lambda data: take(decode_all(data)), data)

    @ends
    async def get(self, event_id: str) -> UsageEvent | None:
        """As the port says."""
        document = await self._collection(_COLLECTION).find_one({"_id": event_id})
        return None if document is None else to_event(with_key(document))

    @ends
    async def list(self, where: UsageFilter, *, before: str = "", limit: int) -> list[UsageEvent]:
        """As the port says."""
        condition = _condition(where)
        if before:
            condition["_id"] = {"$lt": before}
        found = self._collection(_COLLECTION).find(condition).sort("_id", -1).limit(limit)
        found = found.max_time_ms(LONGEST_READ_MS)
        return [to_event(with_key(document)) async for document in found]

    @ends
    async def latest(self) -> int:
        """As the port says."""
        return await Numbering(self._connection.database).latest()

    @ends
    async def number_of(self, event_id: str) -> int | None:
        """As the port says."""
        found = await Counting.of(self._connection.database).usage.find_one({"_id": event_id}, {"stored": 1})
        return None if found is None else cast("int", found.get("stored", 0))

    @ends
    async def stored(
        self, where: UsageFilter, *, after: Place, until: int, limit: int, amended: bool = False
    ) -> builtins.list[StoredEvent]:
        """As the port says."""
        name = "amended" if amended else "stored"
        behind: Document = {
            name: {"$gte": max(after.number, 1), "$lte": until},
            # The filter may have an $or of its own.
            "$and": [{"$or": [{name: {"$gt": after.number}}, {"_id": {"$gt": after.id}}]}],
        }
        found = Counting.of(self._connection.database).usage.find(_condition(where) | behind)
        found = found.sort([(name, 1), ("_id", 1)]).limit(limit).max_time_ms(LONGEST_READ_MS)
        return [
            StoredEvent(cast("int", document[name]), to_event(with_key(document))) async for document in found
        ]

    async def _passes(self) -> Sequence[Sequence[str]]:
        """Return the sums to compute in one pass each: MongoDB takes one pass for all of them.

        FerretDB 1 computes only the first sum of a pass; the others come out as 0.
        """
        server = await self._connection.database.command("buildInfo")
        return [(name,) for name in SUMMED] if "ferretdbVersion" in server else [SUMMED]


def _may_count(event: UsageEvent) -> bool:
    return event.admission is Admission.UNLIMITED or (
        event.admission is Admission.UNKNOWN and bool(event.upstream)
    )


def _condition(where: UsageFilter) -> Document:
    condition: Document = {
        name: wanted[0] if len(wanted) == 1 else {"$in": list(wanted)}
        for name, wanted in wanted_values(where).items()
    }
    if where.statuses:
        condition["$or"] = [{"status": {"$gte": first, "$lt": end}} for first, end in where.statuses]
    if where.streamed is not None:
        condition["streamed"] = where.streamed
    times = {
        comparison: time
        for comparison, time in zip(("$gte", "$lt"), wanted_times(where), strict=True)
        if time
    }
    return condition | ({"started_at": times} if times else {})


def _counts(event: UsageEvent) -> Document:
    tokens = event.tokens
    return {
        **to_document(tokens),
        "details": details_text(tokens.details),
        "estimated_requests": int(tokens.confidence in GUESSED),
        "cost_nano_dollars": event.cost_nano_dollars,
        "priced_requests": int(event.cost_nano_dollars is not None),
    }


def _stored(event: UsageEvent) -> Document:
    stored = to_stored(event)
    for name in NOT_STORED:
        del stored[name]
    start = cast("str", stored["started_at"])
    return {
        **stored,
        **_counts(event),
        "attempts": attempts_text(event.attempts),
        "charges": charges_text(event.charges),
        "day": start[:DAY_LENGTH],
        "hour": start[:HOUR_LENGTH],
        "failed_requests": int(event.status >= 400),
    }
