"""The counting of stored events on their tokens in MongoDB, once each, whatever fails in between.

Events that are written together and are to be counted are a batch with an id of its own.

1. Note the batch in `uncounted`: the ids of its events, and their tokens.
2. Insert the events, each with the id of its batch. One that is there already keeps the batch it has.
3. Read the tokens, after that the note, and then which events of the batch are there. For each token, add
   what is not counted yet to `request_count`, and put the number into `counting` under the batch's id, if
   `counts`, which every addition moves, is still the same; else begin this step again.
4. When all events of the note are there, delete the note; then forget its numbers in `counting`. A process
   that dies in between leaves them to the next that opens the store.

A process that adds an event and finds it in the store takes the third and fourth step for its batch, too. As
long as there is a note, each of these steps may be lost, repeated, come late, or be taken by two processes at
once; once there is none, its batch is counted, and nothing is left to do.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ReadPreference, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.store.documents import Document, time_text

NOTES = "uncounted"
BATCH = "batch"
_Collection = AsyncCollection[Document]


@dataclass(frozen=True, slots=True)
class Counting:
    """The collections as the primary has them, whatever the URL prefers: an old state would mislead."""

    tokens: _Collection
    usage: _Collection
    notes: _Collection

    @classmethod
    def of(cls, database: AsyncDatabase[Document]) -> "Counting":
        """Return those of a database."""
        primary = ReadPreference.PRIMARY
        tokens, usage, notes = (
            database[name].with_options(read_preference=primary) for name in ("tokens", "usage", NOTES)
        )
        return cls(tokens, usage, notes)

    async def note(self, events: Sequence[UsageEvent]) -> str:
        """Note the batch of these events, and return its id."""
        batch = str(ObjectId())
        ids, tokens = sorted({event.id for event in events}), sorted({event.token_id for event in events})
        await self.notes.insert_one({"_id": batch, "ids": ids, "tokens": tokens})
        return batch

    async def batches_of(self, event_ids: Collection[str]) -> set[str]:
        """Return the batches of events that are stored."""
        found = self.usage.find({"_id": {"$in": list(event_ids)}}, {BATCH: 1})
        return {cast("str", event[BATCH]) async for event in found if BATCH in event}

    async def count_all(self) -> None:
        """Count all batches that there are notes of, and forget the numbers of those that have none.

        Processes that died have left both.
        """
        for batch in await self._noted():
            await self.count(batch)
        await self._forget_counted()

    async def count(self, batch: str) -> None:
        """Count a batch, as far as its events are stored; do nothing if it is counted."""
        note = await self.notes.find_one({"_id": batch})
        while note is not None:
            known = [
                token
                async for token in self.tokens.find(
                    {"_id": {"$in": note["tokens"]}}, {"counts": 1, "counting": 1}
                )
            ]
            note = await self.notes.find_one({"_id": batch})
            if note is None:
                return
            ids = cast("list[str]", note["ids"])
            stored = [
                event async for event in self.usage.find({"_id": {"$in": ids}}, {BATCH: 1, "token_id": 1})
            ]
            numbers = Counter(cast("str", event["token_id"]) for event in stored if event.get(BATCH) == batch)
            additions = [
                addition
                for token in known
                if (addition := _addition(token, batch, numbers[cast("str", token["_id"])]))
            ]
            if additions:
                added = await self.tokens.bulk_write(additions, ordered=False)
                if added.matched_count < len(additions):
                    continue
            if len(stored) == len(ids):
                await self.notes.delete_one({"_id": batch})
                await self.tokens.update_many(
                    {"_id": {"$in": note["tokens"]}}, {"$unset": {f"counting.{batch}": ""}}
                )
            return

    async def _noted(self) -> set[str]:
        return {cast("str", note["_id"]) async for note in self.notes.find({}, {"_id": 1})}

    async def _forget_counted(self) -> None:
        with_numbers: Document = {"counting": {"$nin": [None, {}]}}
        found = [token async for token in self.tokens.find(with_numbers, {"counting": 1})]
        noted = await self._noted() if found else set()  # later: a number is never older than its note
        for token in found:
            counted = cast("dict[str, int]", token["counting"]).keys() - noted
            if counted:
                await self.tokens.update_one(
                    {"_id": token["_id"]}, {"$unset": {f"counting.{batch}": "" for batch in counted}}
                )


def used(token_id: str, last: datetime) -> UpdateOne:
    """Return the update that moves a token's time of last use."""
    return UpdateOne({"_id": token_id}, {"$max": {"last_used_at": time_text(last)}})


async def unlimited_among(tokens: _Collection, token_ids: Collection[str]) -> set[str]:
    """Return which of these tokens have no limit."""
    found = tokens.find({"_id": {"$in": list(token_ids)}, "max_requests": 0}, {"_id": 1})
    return {cast("str", document["_id"]) async for document in found}


def _addition(token: Document, batch: str, number: int) -> UpdateOne | None:
    """Return the update after which a token has counted so many events of a batch, None if it has."""
    counts = cast("int | None", token.get("counts"))
    more = number - cast("dict[str, int]", token.get("counting", {})).get(batch, 0)
    if more <= 0:
        return None
    return UpdateOne(
        {"_id": token["_id"], "counts": counts},
        {
            "$inc": {"request_count": more, "remaining": -more},
            "$set": {"counts": (counts or 0) + 1, f"counting.{batch}": number},
        },
    )
