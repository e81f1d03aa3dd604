"""The counting of what stored events charge to budgets in MongoDB, once each, whatever fails in between.

Charges that are written together are a batch with an id of its own: those of events that are inserted, or
what one amending event changes of a stored one. `ledger_spent` has a row for each key, period and owner.

1. Note the batch in `uncharged`: its owner, its events, and the rows that may change.
2. Write the events: an inserted one with the id of its batch (`charged_by`), an amended one with the
   difference under the id of its batch (`moves`), if its charges are still those that the difference is from.
3. Read the rows, after that the note, and then what the events say of the batch. To each row add what it does
   not have yet, and put the amount into `counting` under the batch's id, if `counts`, which every addition
   moves, is still the same; else begin this step again.
4. When nothing more can come to the batch, delete the note; then forget its amounts in `counting`. Then all
   inserted events are there, and the amended one is amended, or has counts that do not give way.

As `counting.py` says of its own steps, each may be lost, repeated, come late, or be taken by several
processes at once. A process that adds an event and finds it in the store takes the third and fourth step for
its batches, too, and who opens the store does so for all that are noted.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from bson import ObjectId
from pymongo import ReadPreference, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError

from tollkeeper_server.domain.limit import Charge, calendar_name, difference
from tollkeeper_server.domain.usage import UsageEvent, less_sure
from tollkeeper_server.store.documents import Document
from tollkeeper_server.store.mongo.connection import duplicates_in
from tollkeeper_server.store.usage_fields import charges_of, charges_text

ROWS = "ledger_spent"
CHARGE_NOTES = "uncharged"
CHARGED_BY = "charged_by"
_FIRST = "first_charges"
_READ = {CHARGED_BY: 1, "charges": 1, _FIRST: 1, "moves": 1, "confidence": 1}
_Collection = AsyncCollection[Document]
_Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Charging:
    """The collections as the primary has them, whatever the URL prefers: an old state would mislead."""

    rows: _Collection
    usage: _Collection
    notes: _Collection

    @classmethod
    def of(cls, database: AsyncDatabase[Document]) -> "Charging":
        """Return those of a database."""
        primary = ReadPreference.PRIMARY
        rows, usage, notes = (
            database[name].with_options(read_preference=primary) for name in (ROWS, "usage", CHARGE_NOTES)
        )
        return cls(rows, usage, notes)

    async def note(self, events: Sequence[UsageEvent], owner: str) -> str:
        """Note the batch of these events, which are to be inserted, and return its id."""
        charges = [charge for event in events for charge in event.charges]
        return await self._note(owner, {event.id for event in events}, charges)

    async def amend(self, event: UsageEvent, counts: Document, owner: str) -> None:
        """Replace the counts of a stored event by those of one that amends it, if they are surer.

        `counts` are its fields with them. What that changes of its charges, if anything, is counted.
        """
        less = [confidence.value for confidence in less_sure(event.tokens.confidence)]
        while True:
            stored = await self.usage.find_one({"_id": event.id}, _READ)
            if stored is None or stored["confidence"] not in less:
                return
            unchanged: Document = {
                "_id": event.id,
                "confidence": stored["confidence"],
                "charges": stored.get("charges"),
            }
            before = charges_of(stored.get("charges"))
            charges = event.charges or before
            counts = {**counts, "charges": charges_text(charges)}
            moved = difference(before, charges)
            if not moved:
                if (await self.usage.update_one(unchanged, {"$set": counts})).matched_count:
                    return
                continue
            batch = await self._note(owner, [event.id], moved, below=less)
            first = stored.get(_FIRST, stored.get("charges", ""))
            change = {**counts, _FIRST: first, f"moves.{batch}": charges_text(tuple(moved))}
            if (await self.usage.update_one(unchanged, {"$set": change})).matched_count:
                await self.charge(batch)
                return
            await self.notes.delete_one({"_id": batch})

    async def batches_of(self, event_ids: Collection[str]) -> set[str]:
        """Return the batches of events that are stored."""
        batches = set[str]()
        async for event in self.usage.find({"_id": {"$in": list(event_ids)}}, {CHARGED_BY: 1, "moves": 1}):
            batches |= cast("dict[str, str]", event.get("moves", {})).keys()
            if CHARGED_BY in event:
                batches.add(cast("str", event[CHARGED_BY]))
        return batches

    async def charge_all(self) -> None:
        """Count all batches that there are notes of, and forget the amounts of those that have none.

        Processes that died have left both.
        """
        for batch in await self._noted():
            await self.charge(batch)
        await self._forget_counted()

    async def charge(self, batch: str) -> None:
        """Count a batch, as far as its events are stored; do nothing if it is counted."""
        note = await self.notes.find_one({"_id": batch})
        while note is not None:
            owner, places = cast("str", note["owner"]), _places(note)
            known = {
                cast("str", row["_id"]): row
                async for row in self.rows.find(
                    {"_id": {"$in": [row_id(place, owner) for place in places]}},
                    {"counts": 1, "counting": 1},
                )
            }
            note = await self.notes.find_one({"_id": batch})
            if note is None:
                return
            ids = cast("list[str]", note["ids"])
            stored = [event async for event in self.usage.find({"_id": {"$in": ids}}, _READ)]
            amounts = Counter[_Place]()
            for event in stored:
                for charge in _charged(event, batch):
                    amounts[charge.key, charge.period] += charge.amount
            missing = [place for place in amounts if row_id(place, owner) not in known]
            if missing:
                await self.make_rows(missing, owner)
                continue
            additions = [
                addition
                for place, amount in amounts.items()
                if (addition := _addition(known[row_id(place, owner)], batch, amount))
            ]
            if additions:
                added = await self.rows.bulk_write(additions, ordered=False)
                if added.matched_count < len(additions):
                    continue
            if _is_whole(note, stored, batch):
                await self.notes.delete_one({"_id": batch})
                await self.rows.update_many({"_id": {"$in": [*known]}}, {"$unset": {f"counting.{batch}": ""}})
            return

    async def _note(
        self,
        owner: str,
        ids: Collection[str],
        charges: Iterable[Charge],
        *,
        below: Sequence[str] | None = None,
    ) -> str:
        batch = str(ObjectId())
        places = sorted({(charge.key, charge.period) for charge in charges})
        await self.notes.insert_one(
            {
                "_id": batch,
                "owner": owner,
                "ids": sorted(ids),
                "keys": [key for key, _ in places],
                "periods": [period for _, period in places],
                "below": below,
            }
        )
        return batch

    async def make_rows(self, places: Iterable[_Place], owner: str) -> None:
        """Make those rows of a process that are not there."""
        made = [
            {
                "_id": row_id(place, owner),
                "key": place[0],
                "period": place[1],
                "owner": owner,
                "calendar": calendar_name(place[0]),
                "amount": 0,
            }
            for place in places
        ]
        try:
            await self.rows.insert_many(made, ordered=False)
        except BulkWriteError as error:
            duplicates_in(error)  # another process has made them

    async def _noted(self) -> set[str]:
        return {cast("str", note["_id"]) async for note in self.notes.find({}, {"_id": 1})}

    async def _forget_counted(self) -> None:
        with_amounts: Document = {"counting": {"$nin": [None, {}]}}
        found = [row async for row in self.rows.find(with_amounts, {"counting": 1})]
        noted = await self._noted() if found else set()  # later: an amount is never older than its note
        for row in found:
            counted = cast("dict[str, int]", row["counting"]).keys() - noted
            if counted:
                await self.rows.update_one(
                    {"_id": row["_id"]}, {"$unset": {f"counting.{batch}": "" for batch in counted}}
                )


def row_id(place: _Place, owner: str) -> str:
    """Return the id of a row; an owner is the name of a directory, and has no colon."""
    key, period = place
    return f"{owner}:{period}:{key}"


def _places(note: Document) -> list[_Place]:
    return list(zip(cast("list[str]", note["keys"]), cast("list[int]", note["periods"]), strict=True))


def _charged(event: Document, batch: str) -> tuple[Charge, ...]:
    """Return what a stored event charges as one of a batch."""
    if event.get(CHARGED_BY) == batch:
        return charges_of(event.get(_FIRST, event.get("charges")))
    return charges_of(cast("dict[str, str]", event.get("moves", {})).get(batch))


def _is_whole(note: Document, stored: Sequence[Document], batch: str) -> bool:
    """Return whether nothing more can come to a batch."""
    if len(stored) < len(cast("list[str]", note["ids"])):
        return False
    below = cast("list[str] | None", note["below"])
    return below is None or all(
        event["confidence"] not in below or batch in cast("dict[str, str]", event.get("moves", {}))
        for event in stored
    )


def _addition(row: Document, batch: str, amount: int) -> UpdateOne | None:
    """Return the update after which a row has counted so much of a batch, None if it has."""
    counts = cast("int | None", row.get("counts"))
    more = amount - cast("dict[str, int]", row.get("counting", {})).get(batch, 0)
    if more == 0:
        return None
    return UpdateOne(
        {"_id": row["_id"], "counts": counts},
        {"$inc": {"amount": more}, "$set": {"counts": (counts or 0) + 1, f"counting.{batch}": amount}},
    )
