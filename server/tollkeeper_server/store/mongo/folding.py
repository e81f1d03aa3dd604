"""How MongoDB sums up, without transactions, what dead processes have spent in total: sums stay the same.

A row of a dead process is added to the row of nobody, which keeps its id and amount in `folded` until it is
gone. Who reads both leaves that amount out. Each step comes a while after the one before it, so that nobody
reads one row before a step and the other row after the next:

1. Add the amount of a row to nobody's, and put it into `folded`, if `folds`, which each such addition moves,
   is still what it was before that row was read.
2. After a pause delete the row, if it has that amount still, and say so in `folded`. Else its process was not
   dead: take the amount back.
3. After another pause forget it.

Nothing is written in a dead process's name any more: it has no notes (`charging.py`), and none of its amounts
is still being counted. As there, each step may be lost, repeated, or be taken by several processes at once.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

from pymongo import ReadPreference
from pymongo.asynchronous.database import AsyncDatabase

from tollkeeper_server.domain.period import Period
from tollkeeper_server.store.documents import Document
from tollkeeper_server.store.mongo.charging import Charging, row_id

OWNERS = "ledger_owners"
PAUSE = 600
"""Seconds between two steps: longer than anybody reads rows."""
NOBODY = ""
_TOTAL: Document = {"calendar": str(Period.TOTAL)}
_OF_NOBODY: Document = _TOTAL | {"owner": NOBODY}


def amount_of(row: Document, present: Collection[object]) -> int:
    """Return what a row adds to those that were read with it, whose ids are `present`."""
    twice = sum(one["amount"] for one in _folded(row).values() if one["row"] in present)
    return cast("int", row["amount"]) - cast("int", twice)


@dataclass(frozen=True, slots=True)
class Folding:
    """One call, at a time in seconds since 1970."""

    database: AsyncDatabase[Document]
    charging: Charging
    at: int

    @classmethod
    def of(cls, database: AsyncDatabase[Document], at: int) -> "Folding":
        """Return that of a database."""
        return cls(database, Charging.of(database), at)

    async def fold(self, owner: str, before: int, members: Collection[str], limit: int) -> int:
        """As the port says."""
        await self._go_on()
        dead = await self._dead(owner, before, {owner, *members})
        counted: Document = {"counting": {"$in": [None, {}]}}
        waiting = self.charging.rows.find(
            _TOTAL | counted | {"owner": {"$in": dead}}, {"key": 1, "period": 1}
        ).limit(limit)
        return sum([await self._fold(row) async for row in waiting])

    async def _dead(self, owner: str, before: int, living: Collection[str]) -> list[str]:
        owners = self.database[OWNERS].with_options(read_preference=ReadPreference.PRIMARY)
        await owners.update_one({"_id": owner}, {"$set": {"seen_at": self.at}}, upsert=True)
        spending = {cast("str", one) for one in await self.charging.rows.distinct("owner", _TOTAL)} - {NOBODY}
        seen = {cast("str", one["_id"]): cast("int", one["seen_at"]) async for one in owners.find({})}
        for one in spending - seen.keys():
            await owners.update_one({"_id": one}, {"$setOnInsert": {"seen_at": self.at}}, upsert=True)
        ended = {one for one, when in seen.items() if when < before} - {*living}
        await owners.delete_many({"_id": {"$in": [*ended - spending]}, "seen_at": {"$lt": before}})
        noted = set(await self.charging.notes.distinct("owner"))
        return sorted((ended & spending) - noted)

    async def _fold(self, found: Document) -> int:
        """Add a row to that of nobody; return 1 if it was not there before."""
        rows, place = self.charging.rows, (cast("str", found["key"]), cast("int", found["period"]))
        target = row_id(place, NOBODY)
        await self.charging.make_rows([place], NOBODY)
        into = await rows.find_one({"_id": target}, {"folds": 1, "folded": 1})
        row = await rows.find_one({"_id": found["_id"]}, {"amount": 1})
        name = hashlib.sha256(str(found["_id"]).encode()).hexdigest()  # an id may have dots
        if into is None or row is None or name in _folded(into):
            return 0
        folds, amount = cast("int | None", into.get("folds")), row["amount"]
        folded = {"row": row["_id"], "amount": amount, "at": self.at, "gone": False}
        done = await rows.update_one(
            {"_id": target, "folds": folds},
            {"$inc": {"amount": amount}, "$set": {"folds": (folds or 0) + 1, f"folded.{name}": folded}},
        )
        return done.matched_count

    async def _go_on(self) -> None:
        """Take the next step with rows that were added a while ago."""
        rows = self.charging.rows
        async for into in rows.find(_OF_NOBODY | {"folded": {"$nin": [None, {}]}}, {"folded": 1}):
            for name, one in _folded(into).items():
                if self.at < one["at"] + PAUSE:
                    continue
                as_it_was = {f"folded.{name}.{member}": one[member] for member in ("gone", "at")}
                unchanged: Document = {"_id": into["_id"], **as_it_was}
                forget: Document = {"$unset": {f"folded.{name}": ""}}
                if one["gone"]:
                    await rows.update_one(unchanged, forget)
                    continue
                await rows.delete_one({"_id": one["row"], "amount": one["amount"]})
                if await rows.find_one({"_id": one["row"]}, {"_id": 1}) is None:
                    gone = {f"folded.{name}.gone": True, f"folded.{name}.at": self.at}
                    await rows.update_one(unchanged, {"$set": gone})
                else:
                    await rows.update_one(unchanged, {"$inc": {"amount": -one["amount"]}, **forget})


def _folded(row: Document) -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", row.get("folded", {}))
