"""What is configured, in MongoDB: one document each, and a log of one batch that makes many writes one.

Without transactions a batch is made whole by writing it down first. `meta/configuration` holds the
revision R and, while a batch is open, the batch as JSON text. Every write, of one entity or of many:

1. reads R with no batch open, and decides what to write;
2. opens the batch: an update of `meta/configuration` that takes effect only if the revision is still R
   and no batch is open. From here on the batch is certain to happen;
3. makes the changes it consists of;
4. closes it: the revision becomes R + 1 and the batch is gone, in one update.

Whoever finds a batch open, reader or writer, does steps 3 and 4 as well, without waiting and whether or
not the writer lives: there is no lock to expire, and no clock. For that every change may be made any
number of times, by several at once and at any time later: each document says in `written` which batch
wrote it, and batch N changes only what an earlier one wrote. What is deleted leaves a mark with that number,
so that somebody slow can't bring it back; marks go when a store opens a day later.

A reader of the whole reads R with no batch open, then every collection, then makes sure that the revision is
still R with no batch open: then none was in between, and all belongs to R.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import bson
import msgspec
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from tollkeeper_server.domain.configuration import KINDS, Batch, Configuration, Entity, Kind, key_of
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import Reason, StoreUnavailableError, TollkeeperError
from tollkeeper_server.store.documents import from_document, time_text, to_document
from tollkeeper_server.store.mongo.connection import MongoConnection, duplicates_in
from tollkeeper_server.store.mongo.schema import Document

_T = TypeVar("_T", bound=msgspec.Struct)

MAX_BATCH = 15 * 1024 * 1024
"""Bytes of a batch as text, and of an entity: MongoDB takes documents of 16 MiB."""

_PATIENCE = 10.0  # seconds
_MARKS_KEPT = timedelta(days=1)
_COLLECTIONS = {
    Kind.PROJECT: "projects",
    Kind.UPSTREAM: "upstreams",
    Kind.GROUP: "groups",
    Kind.MODEL: "models",
    Kind.LISTENER: "listeners",
}
_META = "configuration"
_CLOSED: Document = {"_id": _META, "batch": {"$exists": False}}
_PRESENT: Document = {"deleted_at": {"$exists": False}}


class _Change(msgspec.Struct, frozen=True):
    """One document of a batch: what it becomes, a mark if it is deleted."""

    kind: Kind
    document: Document


class MongoConfiguration:
    """Reads and writes the five collections. To be run by `MongoConnection.run`."""

    def __init__(self, connection: MongoConnection) -> None:
        self._connection = connection
        # The calls of one process take turns, rather than finding out that another was faster.
        self._turn = asyncio.Lock()

    async def forget_deletions(self) -> None:
        """Removes the marks of what was deleted long ago."""
        before = time_text(datetime.now(UTC) - _MARKS_KEPT)
        for name in _COLLECTIONS.values():
            await self._connection.database[name].delete_many({"deleted_at": {"$lt": before}})

    async def revision(self) -> int:
        """Returns the number of writes so far, a batch counted as one."""
        found = await self._connection.database["meta"].find_one(_CLOSED, {"revision": 1})
        return msgspec.convert(found["revision"], int) if found else await self._settle()

    async def get(self, entity: type[_T], key: str) -> _T | None:
        """Returns the entity of that id or name, or None."""
        found = await self._find(KINDS[entity], key)
        return _entity(entity, found) if found else None

    async def page(self, entity: type[_T], after: str, limit: int, *, active_only: bool = False) -> list[_T]:
        """Returns up to `limit` entities with ids or names greater than `after`, in their order."""
        where: Document = {"is_active": True} if active_only else {}
        found = await self._list(KINDS[entity], after, limit, where)
        return [_entity(entity, document) for document in found]

    async def read(self) -> Configuration:
        """Returns all there is as it was at one moment."""
        await self._settle()
        async with self._turn:
            deadline = time.monotonic() + _PATIENCE
            while time.monotonic() < deadline:
                revision = await self._settle()
                found = await self._list_all()
                meta = self._connection.database["meta"]
                if await meta.find_one({**_CLOSED, "revision": revision}, {"_id": 1}):
                    return Configuration(
                        revision=revision,
                        projects=_entities(Project, found),
                        upstreams=_entities(Upstream, found),
                        groups=_entities(Group, found),
                        models=_entities(Model, found),
                        listeners=_entities(Listener, found),
                    )
        raise StoreUnavailableError("the store")

    async def write(self, batch: Batch, expected: int) -> bool:
        """Writes the batch if the revision is `expected`; tells whether it did.

        Raises INVALID_ARGUMENT if it is too large.
        """

        async def plan(revision: int) -> Sequence[_Change] | None:
            if revision != expected:
                return None
            return [
                *(_put(entity) for entity in batch.puts),
                *(_mark(deletion.kind, deletion.key) for deletion in batch.deletions),
            ]

        return await self._write(plan)

    async def add(self, entity: Entity) -> None:
        """Adds an entity. Raises ALREADY_EXISTS if its id or name is taken."""
        kind = KINDS[type(entity)]

        async def plan(_: int) -> Sequence[_Change]:
            if await self._find(kind, key_of(entity)):
                raise TollkeeperError(
                    Reason.ALREADY_EXISTS,
                    f"{kind} {key_of(entity)!r} exists already; choose another name, or update that one",
                    field="name",
                )
            return [_put(entity)]

        await self._write(plan)

    async def replace(self, entity: Entity, expected: int) -> bool:
        """Writes an entity if the stored revision is `expected`; tells whether it did."""
        kind = KINDS[type(entity)]

        async def plan(_: int) -> Sequence[_Change] | None:
            found = await self._find(kind, key_of(entity))
            return [_put(entity)] if found and found["revision"] == expected else None

        return await self._write(plan)

    async def delete(self, kind: Kind, key: str, expected: int) -> bool:
        """Removes an entity if the stored revision is `expected`; tells whether it did."""

        async def plan(_: int) -> Sequence[_Change] | None:
            found = await self._find(kind, key)
            return [_mark(kind, key)] if found and found["revision"] == expected else None

        return await self._write(plan)

    async def _find(self, kind: Kind, key: str) -> Document | None:
        return await self._connection.database[_COLLECTIONS[kind]].find_one({"_id": key, **_PRESENT})

    async def _list(self, kind: Kind, after: str, limit: int, where: Document) -> list[Document]:
        """Returns up to `limit` documents, 0 for all, with ids greater than `after`."""
        condition = {"_id": {"$gt": after}, **_PRESENT, **where}
        found = self._connection.database[_COLLECTIONS[kind]].find(condition).sort("_id", 1).limit(limit)
        return await found.to_list()

    async def _list_all(self) -> dict[Kind, list[Document]]:
        # At once: the less time it takes, the less is written meanwhile.
        lists = await asyncio.gather(*(self._list(kind, "", 0, {}) for kind in Kind), return_exceptions=True)
        found = {}
        for kind, listed in zip(Kind, lists, strict=True):
            if isinstance(listed, BaseException):
                raise listed
            found[kind] = listed
        return found

    async def _write(self, plan: Callable[[int], Awaitable[Sequence[_Change] | None]]) -> bool:
        """Does the four steps. `plan` is told the revision, and decides; None writes nothing."""
        await self._settle()  # a server that is away is found out at once, not when it is one's turn
        async with self._turn:
            deadline = time.monotonic() + _PATIENCE
            while time.monotonic() < deadline:
                revision = await self._settle()
                changes = await plan(revision)
                if changes is None:
                    return False
                if await self._open(revision, changes):
                    await self._complete(revision, changes)
                    return True
        raise StoreUnavailableError("the store")

    async def _settle(self) -> int:
        """Returns the revision with no batch open, after completing the one that is."""
        meta = self._connection.database["meta"]
        while True:
            found = await meta.find_one({"_id": _META})
            if found is None:
                try:
                    await meta.insert_one({"_id": _META, "revision": 0})
                except DuplicateKeyError:  # another process was first
                    continue
                return 0
            revision = msgspec.convert(found["revision"], int)
            if "batch" not in found:
                return revision
            await self._complete(revision, msgspec.json.decode(str(found["batch"]), type=list[_Change]))

    async def _open(self, revision: int, changes: Sequence[_Change]) -> bool:
        text = msgspec.json.encode(changes).decode()
        _check_size(text, changes)
        done = await self._connection.database["meta"].update_one(
            {**_CLOSED, "revision": revision}, {"$set": {"batch": text}}
        )
        return done.matched_count == 1

    async def _complete(self, revision: int, changes: Sequence[_Change]) -> None:
        number = revision + 1
        for kind, name in _COLLECTIONS.items():
            documents = [{**change.document, "written": number} for change in changes if change.kind is kind]
            if documents:
                await self._put(name, documents, number)
        await self._connection.database["meta"].update_one(
            {"_id": _META, "revision": revision, "batch": {"$exists": True}},
            {"$set": {"revision": number}, "$unset": {"batch": ""}},
        )

    async def _put(self, name: str, documents: Sequence[Document], number: int) -> None:
        collection = self._connection.database[name]
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
            duplicates_in(error)  # somebody else was first, here or by completing the batch


def _put(entity: Entity) -> _Change:
    document = to_document(entity)
    document["_id"] = document.pop("id" if isinstance(entity, Project) else "name")
    return _Change(KINDS[type(entity)], document)


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


def _entities(entity: type[_T], found: Mapping[Kind, Sequence[Document]]) -> tuple[_T, ...]:
    return tuple(_entity(entity, document) for document in found[KINDS[entity]])


def _entity(entity: type[_T], document: Document) -> _T:
    return from_document({"id": document["_id"], "name": document["_id"], **document}, entity)
