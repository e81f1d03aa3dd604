"""The configuration in MongoDB: one document each, and a log of one batch that makes many writes one.

Without transactions a batch is made whole by writing it down first. `meta/configuration` holds the
revision R and, while a batch is open, the batch as JSON text. Every write, of one entity or of many:

1. reads R with no batch open, decides what to write, and writes down what that changes (`history.py`);
2. opens the batch: an update of `meta/configuration` that takes effect only if the revision is still R
   and no batch is open. From here on the batch is certain to happen;
3. makes the changes it consists of, and gives the history its number;
4. closes it: the revision becomes R + 1 and the batch is gone, in one update.

A reader or writer that finds a batch open does steps 3 and 4 as well, without waiting and whether or not
the writer of the batch lives: there is no lock to expire, and no clock. For that every change may be made
any number of times, by several processes at once and at any time later: each document says in `written`
which batch wrote it, and batch N changes only what an earlier one wrote. A deleted entity leaves a mark with
that number, so that a slow process can't bring it back; `open` removes marks that are older than a day.

A reader of the whole reads R with no batch open, then every collection, then makes sure that the revision is
still R with no batch open: then no write was in between, and all of it belongs to R.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import bson
import msgspec
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from tollkeeper_server.domain.configuration import KINDS, Batch, Configuration, Entity, Kind, key_of
from tollkeeper_server.domain.listing import EntityFilter, Page
from tollkeeper_server.domain.revision import Bounds
from tollkeeper_server.errors import Reason, StoreUnavailableError, TollkeeperError
from tollkeeper_server.store.documents import Document, listed_texts, time_text, to_configuration
from tollkeeper_server.store.history import PRUNED_EVERY, Written
from tollkeeper_server.store.mongo.connection import (
    LONGEST_READ_MS,
    MongoConnection,
    MongoPart,
    completes,
    duplicates_in,
    ends,
)
from tollkeeper_server.store.mongo.documents import from_stored, plain, to_stored, with_key
from tollkeeper_server.store.mongo.history import MongoHistory
from tollkeeper_server.store.mongo.listing import (
    UNLISTED,
    behind,
    every,
    listed_fields,
    searching,
    sort_of,
)
from tollkeeper_server.store.refusals import key_taken

_E = TypeVar("_E", bound=Entity)

MAX_BATCH = 15 * 1024 * 1024
"""Bytes of a batch as text, and of an entity: MongoDB takes documents of 16 MiB."""
MARKS_KEPT = timedelta(days=1)

_PATIENCE = 10.0  # seconds
_COLLECTIONS = {
    Kind.PROJECT: "projects",
    Kind.UPSTREAM: "upstreams",
    Kind.GROUP: "groups",
    Kind.MODEL: "models",
    Kind.LISTENER: "listeners",
    Kind.GATEWAY: "gateways",
}
_META = "configuration"
_CLOSED: Document = {"_id": _META, "batch": {"$exists": False}}
_PRESENT: Document = {"deleted_at": {"$exists": False}}


class _Change(msgspec.Struct, frozen=True):
    """One document of a batch: its new content, a mark if it is deleted."""

    kind: Kind
    document: Document


class MongoConfiguration(MongoPart):
    """Implements `ports.ConfigurationStore` on a collection for each kind."""

    def __init__(self, connection: MongoConnection, history: MongoHistory, bounds: Bounds) -> None:
        """Take what writes the history of it, and the bounds of that."""
        super().__init__(connection)
        self._bounds = bounds
        self._history = history
        # The calls of one process take turns, rather than finding out that another was faster.
        self._turn = asyncio.Lock()

    @completes
    async def forget_deletions(self, *, older_than: timedelta) -> None:
        """Remove the marks of entities that were deleted so long ago."""
        before = time_text(datetime.now(UTC) - older_than)
        for name in _COLLECTIONS.values():
            await self._collection(name).delete_many({"deleted_at": {"$lt": before}})

    @completes
    async def revision(self) -> int:
        """As the port says."""
        found = await self._collection("meta").find_one(_CLOSED, {"revision": 1})
        return msgspec.convert(found["revision"], int) if found else await self._settle()

    @completes
    async def read(self) -> Configuration:
        """As the port says."""
        await self._settle()
        async with self._turn:
            deadline = time.monotonic() + _PATIENCE
            while time.monotonic() < deadline:
                revision = await self._settle()
                # At once: the less time it takes, the less is written meanwhile.
                lists = await asyncio.gather(
                    *(self._list(kind, "", 0) for kind in Kind), return_exceptions=True
                )
                documents = {}
                for kind, listed in zip(Kind, lists, strict=True):
                    if isinstance(listed, BaseException):
                        raise listed
                    documents[kind] = [with_key(document) for document in listed]
                if await self._collection("meta").find_one({**_CLOSED, "revision": revision}, {"_id": 1}):
                    return to_configuration(revision, documents)
        raise StoreUnavailableError("the store")

    @completes
    async def write(self, batch: Batch, *, expected: int) -> bool:
        """As the port says."""

        async def plan(revision: int) -> Sequence[_Change] | None:
            if revision != expected:
                return None
            return [
                *(_put(entity) for entity in batch.puts),
                *(_mark(deletion.kind, deletion.key) for deletion in batch.deletions),
            ]

        return await self._write(plan)

    @completes
    async def get(self, entity_type: type[_E], key: str) -> _E | None:
        """As the port says."""
        found = await self._find(KINDS[entity_type], key)
        return from_stored(found, entity_type) if found else None

    @completes
    async def add(self, entity: Entity) -> None:
        """As the port says."""

        async def plan(_: int) -> Sequence[_Change]:
            if await self._find(KINDS[type(entity)], key_of(entity)):
                raise key_taken(entity)
            return [_put(entity)]

        await self._write(plan)

    @completes
    async def replace(self, entity: Entity, *, expected: int) -> bool:
        """As the port says."""

        async def plan(_: int) -> Sequence[_Change] | None:
            found = await self._find(KINDS[type(entity)], key_of(entity))
            return [_put(entity)] if found and found["revision"] == expected else None

        return await self._write(plan)

    @completes
    async def delete(self, entity_type: type[Entity], key: str, *, expected: int) -> bool:
        """As the port says."""
        kind = KINDS[entity_type]

        async def plan(_: int) -> Sequence[_Change] | None:
            found = await self._find(kind, key)
            return [_mark(kind, key)] if found and found["revision"] == expected else None

        return await self._write(plan)

    @completes
    async def find_many(self, entity_type: type[_E], keys: Collection[str]) -> dict[str, _E]:
        """As the port says."""
        condition = {"_id": {"$in": list(keys)}, **_PRESENT}
        found = self._collection(_COLLECTIONS[KINDS[entity_type]]).find(condition)
        return {str(document["_id"]): from_stored(document, entity_type) async for document in found}

    @ends
    async def page(self, entity_type: type[_E], where: EntityFilter, page: Page) -> list[_E]:
        """As the port says."""
        condition = every([*_conditions(where), *behind(page)])
        collection = self._collection(_COLLECTIONS[KINDS[entity_type]])
        found = collection.find(condition).sort(sort_of(page)).limit(page.limit)
        return [from_stored(document, entity_type) async for document in found.max_time_ms(LONGEST_READ_MS)]

    @ends
    async def count(self, entity_type: type[Entity], where: EntityFilter, *, most: int) -> int:
        """As the port says."""
        collection = self._collection(_COLLECTIONS[KINDS[entity_type]])
        return await collection.count_documents(
            every(_conditions(where)), limit=most, maxTimeMS=LONGEST_READ_MS
        )

    @completes
    async def fill_lists(self) -> None:
        """Write what lists sort by and search of entities that a process of an older version wrote."""
        for entity_type, kind in KINDS.items():
            collection = self._collection(_COLLECTIONS[kind])
            async for stored in collection.find({**UNLISTED, **_PRESENT}):
                name, text = listed_texts(with_key(stored), entity_type)
                await collection.update_one(
                    {"_id": stored["_id"], "revision": stored["revision"], **UNLISTED},
                    {"$set": {"sort_name": name, "searched": text}},
                )

    @completes
    async def list(self, entity_type: type[_E], *, after: str = "", limit: int) -> list[_E]:
        """As the port says."""
        found = await self._list(KINDS[entity_type], after, limit)
        return [from_stored(document, entity_type) for document in found]

    async def _find(self, kind: Kind, key: str) -> Document | None:
        return await self._collection(_COLLECTIONS[kind]).find_one({"_id": key, **_PRESENT})

    async def _list(self, kind: Kind, after: str, limit: int) -> Sequence[Document]:
        """Return up to `limit` documents, 0 for all, with ids greater than `after`."""
        condition = {"_id": {"$gt": after}, **_PRESENT}
        found = self._collection(_COLLECTIONS[kind]).find(condition).sort("_id", 1).limit(limit)
        return await found.to_list()

    async def _write(self, plan: Callable[[int], Awaitable[Sequence[_Change] | None]]) -> bool:
        """Do the four steps. `plan` is told the revision, and decides; None writes nothing."""
        await self._settle()  # a server that is away is found out at once, not when it is this call's turn
        async with self._turn:
            deadline = time.monotonic() + _PATIENCE
            while time.monotonic() < deadline:
                revision = await self._settle()
                changes = await plan(revision)
                if changes is None:
                    return False
                text = msgspec.json.encode(changes).decode()
                _check_size(text, changes)
                record = await self._history.write_down(await self._written(changes))
                if await self._open(revision, text, record):
                    await self._complete(revision, changes, record)
                    if (revision + 1) % PRUNED_EVERY == 0:
                        await self._history.prune(self._bounds)
                    return True
                await self._history.strike_out(record)
        raise StoreUnavailableError("the store")

    async def _settle(self) -> int:
        """Return the revision with no batch open, after completing the one that is."""
        meta = self._collection("meta")
        while True:
            found = await meta.find_one({"_id": _META})
            if found is None:
                try:
                    await meta.insert_one({"_id": _META, "revision": 0})
                except DuplicateKeyError:  # another process has inserted it first
                    continue
                return 0
            revision = msgspec.convert(found["revision"], int)
            if "batch" not in found:
                return revision
            changes = msgspec.json.decode(str(found["batch"]), type=list[_Change])
            await self._complete(revision, changes, _record(found, revision))

    async def _written(self, changes: Sequence[_Change]) -> Sequence[Written]:
        """Return what the changes write, and what is there before."""
        before: dict[tuple[Kind, object], Document] = {}
        for kind, name in _COLLECTIONS.items():
            keys = [change.document["_id"] for change in changes if change.kind is kind]
            if keys:
                found = self._collection(name).find({"_id": {"$in": keys}, **_PRESENT})
                before |= {(kind, it["_id"]): plain(with_key(it)) async for it in found}
        return [
            Written(
                it.kind,
                str(it.document["_id"]),
                before.get((it.kind, it.document["_id"])),
                None if "deleted_at" in it.document else with_key(it.document),
            )
            for it in changes
        ]

    async def _open(self, revision: int, text: str, record: str) -> bool:
        done = await self._collection("meta").update_one(
            {**_CLOSED, "revision": revision},
            {"$set": {"batch": text, "history": {"record": record, "revision": revision}}},
        )
        return done.matched_count == 1

    async def _complete(self, revision: int, changes: Sequence[_Change], record: str | None) -> None:
        number = revision + 1
        if record is not None:
            await self._history.number(record, number)
        for kind, name in _COLLECTIONS.items():
            documents = [{**change.document, "written": number} for change in changes if change.kind is kind]
            if documents:
                await self._put(name, documents, number)
        await self._collection("meta").update_one(
            {"_id": _META, "revision": revision, "batch": {"$exists": True}},
            {"$set": {"revision": number}, "$unset": {"batch": "", "history": ""}},
        )

    async def _put(self, name: str, documents: Sequence[Document], number: int) -> None:
        collection = self._collection(name)
        earlier = {"$not": {"$gte": number}}  # or nothing, if it is from before there were numbers
        done = await collection.bulk_write(
            [ReplaceOne({"_id": document["_id"], "written": earlier}, document) for document in documents],
            ordered=False,
        )
        if done.matched_count == len(documents):
            return
        try:
            await collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            duplicates_in(error)  # another process was first, here or by completing the batch


def _record(meta: Document, revision: int) -> str | None:
    """Return the id of an open batch's history; None if a process of an older version opened it."""
    history = meta.get("history")
    if isinstance(history, dict) and history.get("revision") == revision:
        return str(history["record"])
    return None


def _put(entity: Entity) -> _Change:
    return _Change(KINDS[type(entity)], to_stored(entity) | listed_fields(entity))


def _mark(kind: Kind, key: str) -> _Change:
    return _Change(kind, {"_id": key, "deleted_at": time_text(datetime.now(UTC))})


def _check_size(text: str, changes: Sequence[_Change]) -> None:
    # Before the batch is opened: what the server refuses afterwards could never be completed.
    sizes = [len(text.encode()), *(len(bson.encode(change.document)) for change in changes)]
    if max(sizes) > MAX_BATCH:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT,
            f"the changes take {max(sizes)} bytes, and MongoDB holds no more than {MAX_BATCH} at once; "
            "make them in parts",
        )


def _conditions(where: EntityFilter) -> list[Document]:
    found: list[Document] = [_PRESENT]
    if where.keys:
        found.append({"_id": {"$in": list(where.keys)}})
    if where.is_active is not None:
        found.append({"is_active": {"$ne": not where.is_active}})
    return found + searching(where.search, where.labels)
