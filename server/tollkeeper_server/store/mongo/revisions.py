"""The history of the configuration in MongoDB, as it is read; `history.py` writes it."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import cast

import msgspec

from tollkeeper_server.domain.configuration import Kind
from tollkeeper_server.domain.revision import Action, Bounds, Difference, Revision, RevisionFilter
from tollkeeper_server.store.documents import Document, from_document
from tollkeeper_server.store.history import Entry, difference_of, reach
from tollkeeper_server.store.mongo.connection import MongoConnection, MongoPart, completes, ends
from tollkeeper_server.store.mongo.history import CHANGES, REVISIONS, MongoHistory


class _Row(msgspec.Struct, frozen=True):
    """What tells of a changed entity, but for what it was and became."""

    id: str = msgspec.field(name="_id")
    record: str
    kind: Kind
    key: str
    action: Action
    secrets: tuple[str, ...]

    @property
    def place(self) -> tuple[Kind, str]:
        return self.kind, self.key


class MongoRevisions(MongoPart):
    """Implements `ports.RevisionStore`."""

    def __init__(
        self, connection: MongoConnection, history: MongoHistory, present: Callable[[], Awaitable[int]]
    ) -> None:
        """Take what prunes the history, and what returns the configuration's revision."""
        super().__init__(connection)
        self._history = history
        self._present = present

    @ends
    async def list(self, where: RevisionFilter, *, before: int | None, limit: int) -> list[Revision]:
        """As the port says."""
        numbers: dict[str, object] = {"$lte": await self._present()}
        if before is not None:
            numbers["$lt"] = before
        condition: Document = {"number": numbers}
        entries: dict[str, Entry] = {}
        if where.id:
            changed = self._collection(CHANGES).find({"kind": where.kind, "key": where.id})
            entries = {cast("str", it["record"]): _entry(it) async for it in changed}
            condition["_id"] = {"$in": [*entries]}
        elif where.kind is not None:
            condition["kinds"] = where.kind
        found = self._collection(REVISIONS).find(condition).sort("number", -1).limit(limit)
        return [_listed(it, where, entries) async for it in found]

    @ends
    async def oldest(self) -> int:
        """As the port says."""
        return await self._oldest()

    @ends
    async def differences(
        self, *, after: int, until: int, behind: tuple[Kind, str] | None = None, limit: int
    ) -> Sequence[Difference] | None:
        """As the port says."""
        if until > await self._present() or after < await self._oldest():
            return None
        numbers = await self._numbers(after, until)
        found = self._collection(CHANGES).find(
            {"record": {"$in": [*numbers]}},
            {"record": 1, "kind": 1, "key": 1, "action": 1, "secrets": 1},
        )
        series: dict[tuple[Kind, str], list[_Row]] = {}
        async for stored in found:
            row = msgspec.convert(stored, _Row)
            if behind is None or row.place > behind:
                series.setdefault(row.place, []).append(row)
        wanted: list[tuple[str, str, set[str]]] = []
        for place in sorted(series):
            rows = sorted(series[place], key=lambda it: numbers[it.record])
            # What was made and is gone again is no difference.
            if rows[0].action is not Action.CREATE or rows[-1].action is not Action.DELETE:
                wanted.append((rows[0].id, rows[-1].id, {name for it in rows for name in it.secrets}))
            if len(wanted) == limit:
                break
        entries = await self._entries({name for first, last, _ in wanted for name in (first, last)})
        # What was pruned meanwhile may be missing.
        if await self._numbers(after, until) != numbers:
            return None
        told = [difference_of(entries[first], entries[last], secrets) for first, last, secrets in wanted]
        return [it for it in told if it is not None]

    @completes
    async def prune(self, bounds: Bounds) -> None:
        """As the port says."""
        await self._history.prune(bounds)

    async def _entries(self, ids: Collection[str]) -> dict[str, Entry]:
        """Return what is kept of changed entities, by id."""
        found = self._collection(CHANGES).find({"_id": {"$in": list(ids)}}, {"entry": 1})
        return {str(it["_id"]): _entry(it) async for it in found}

    async def _numbers(self, after: int, until: int) -> dict[str, int]:
        """Return the numbers of the revisions behind `after`, up to `until`, by their ids."""
        found = self._collection(REVISIONS).find({"number": {"$gt": after, "$lte": until}}, {"number": 1})
        return {cast("str", it["_id"]): cast("int", it["number"]) async for it in found}

    async def _oldest(self) -> int:
        present = await self._present()
        found = self._collection(REVISIONS).find({"number": {"$lte": present}}, {"number": 1})
        return reach([cast("int", it["number"]) async for it in found.sort("number", -1)], present)


def _entry(stored: Document) -> Entry:
    return from_document(msgspec.json.decode(str(stored["entry"])), Entry)


def _listed(stored: Document, where: RevisionFilter, entries: dict[str, Entry]) -> Revision:
    revision = from_document(msgspec.json.decode(str(stored["document"])), Revision)
    changes = revision.changes
    if where.id:
        changes = (entries[str(stored["_id"])].change,)
    elif where.kind is not None:
        changes = tuple(it for it in changes if it.kind is where.kind)
    return msgspec.structs.replace(revision, number=cast("int", stored["number"]), changes=changes)
