"""The numbers of the batches of events in MongoDB, in whose order events are read.

A batch takes the next number, and notes that it is open, in one update of one document. It is closed when its
events are there. Who reads stops before the first open batch, so that nothing comes later to what was read. A
process that dies leaves a batch open: after a while nobody minds it. What a process that is not dead brings
even later is not seen by those who watch.
"""

import time
from collections.abc import Mapping
from typing import cast

from pymongo import ReadPreference
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from tollkeeper_server.store.documents import Document

_KEY = "usage"
# How long an open batch is waited for, by the clocks of those who write and read.
_OPEN_SECONDS = 30.0


class Numbering:
    """The document that has the latest number, and those of the open batches with the times they began."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._meta: AsyncCollection[Document] = database["meta"].with_options(
            read_preference=ReadPreference.PRIMARY
        )

    async def begin(self) -> int:
        """Return the number of a new batch, which is open."""
        while True:
            found = await self._meta.find_one({"_id": _KEY})
            if found is None:
                await self._insert()
                continue
            now = time.time()
            latest, number = cast("int", found["number"]), cast("int", found["number"]) + 1
            update: Document = {"$set": {"number": number, f"open.{number}": now}}
            dead = [it for it, began in _open(found).items() if now - began > 2 * _OPEN_SECONDS]
            if dead:
                update["$unset"] = {f"open.{it}": "" for it in dead}
            written = await self._meta.update_one({"_id": _KEY, "number": latest}, update)
            if written.matched_count:
                return number

    async def close(self, number: int) -> None:
        """Record that the events of a batch are there, or will not come."""
        await self._meta.update_one({"_id": _KEY}, {"$unset": {f"open.{number}": ""}})

    async def latest(self) -> int:
        """Return the number before the first open batch, or the latest."""
        found = await self._meta.find_one({"_id": _KEY})
        if found is None:
            return 0
        now = time.time()
        opened = [int(it) for it, began in _open(found).items() if now - began <= _OPEN_SECONDS]
        return min(opened) - 1 if opened else cast("int", found["number"])

    async def _insert(self) -> None:
        try:
            await self._meta.insert_one({"_id": _KEY, "number": 0, "open": {}})
        except DuplicateKeyError:
            return  # another process has inserted it first


def _open(found: Document) -> Mapping[str, float]:
    return cast("Mapping[str, float]", found.get("open", {}))
