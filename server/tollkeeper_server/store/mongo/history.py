"""The writing of the configuration's history in MongoDB: before the change, and certain once that is.

What a batch changes is written down under an id of its own before the batch is opened, which names that id
(`configuration.py`). To complete the batch is also to give the id the number of its revision, before the
revision moves: no revision that a process of this version wrote is without its history. What never gets a
number was of a batch that was not opened. It is in no list, and removed after a day.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from bson import ObjectId

from tollkeeper_server.domain.author import present_author
from tollkeeper_server.domain.revision import Bounds
from tollkeeper_server.store.documents import Document, time_text, to_document
from tollkeeper_server.store.history import Written, entries_of, last_to_go, revision_of
from tollkeeper_server.store.mongo.connection import MongoPart

REVISIONS = "revisions"
CHANGES = "revision_changes"
_UNNUMBERED_KEPT = timedelta(days=1)


class MongoHistory(MongoPart):
    """Writes and prunes two collections: one document for each revision, and one for each changed entity."""

    async def write_down(self, written: Sequence[Written]) -> str:
        """Keep what a batch is about to change; return the id of it."""
        author = present_author()
        entries = entries_of(written, author)
        revision = revision_of(0, entries, author)  # it gets its number when it is certain
        document, record = to_document(revision), str(ObjectId())
        head: Document = {
            "_id": record,
            "created_at": document["created_at"],
            "size": revision.size,
            "kinds": sorted({it.change.kind for it in entries}),
            "document": msgspec.json.encode(document).decode(),
        }
        changes: list[Document] = [
            {
                "_id": f"{record}/{position}",
                "record": record,
                "created_at": document["created_at"],
                "kind": it.change.kind.value,
                "key": it.change.id,
                "action": it.change.action.value,
                "secrets": list(it.secrets),
                "entry": msgspec.json.encode(it).decode(),
            }
            for position, it in enumerate(entries)
        ]
        if changes:
            await self._collection(CHANGES).insert_many(changes, ordered=False)
        await self._collection(REVISIONS).insert_one(head)
        return record

    async def number(self, record: str, number: int) -> None:
        """Make what was written down the revision of that number; a second time changes nothing."""
        await self._collection(REVISIONS).update_one({"_id": record}, {"$set": {"number": number}})

    async def strike_out(self, record: str) -> None:
        """Remove what was written down for a batch that was not opened."""
        await self._collection(REVISIONS).delete_one({"_id": record, "number": {"$exists": False}})
        await self._collection(CHANGES).delete_many({"record": record})

    async def prune(self, bounds: Bounds) -> None:
        """As `ports.RevisionStore` says."""
        heads = self._collection(REVISIONS)
        now = datetime.now(UTC)
        found = await heads.find(
            {"number": {"$exists": True}}, {"number": 1, "created_at": 1, "size": 1}
        ).to_list()
        sizes = sorted((_size(it) for it in found), reverse=True)
        last = last_to_go(sizes, bounds, now)
        kept = [at for number, at, _ in sizes if number > last]
        gone = [it["_id"] for it in found if _size(it)[0] <= last]
        forgotten = now - _UNNUMBERED_KEPT
        await heads.delete_many({"number": {"$lte": last}})
        await heads.delete_many({"number": {"$exists": False}, "created_at": {"$lt": time_text(forgotten)}})
        # Last, so that whoever finds a revision before and after its changes has found all of them.
        changes = self._collection(CHANGES)
        await changes.delete_many({"record": {"$in": gone}})
        await changes.delete_many({"created_at": {"$lt": time_text(min([*kept, forgotten]))}})


def _size(head: Document) -> tuple[int, datetime, int]:
    """Return the number of a revision, its time, and how many entities it changed."""
    return msgspec.convert((head["number"], head["created_at"], head["size"]), tuple[int, datetime, int])
