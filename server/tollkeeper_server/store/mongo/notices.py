"""Notices of budgets in MongoDB: a document each, unique by what there is one of."""

import builtins
from datetime import datetime
from typing import cast

from pymongo.errors import DuplicateKeyError

from tollkeeper_server.domain.standing import BudgetNotice
from tollkeeper_server.store.documents import Document, from_document, time_text, to_document
from tollkeeper_server.store.mongo.connection import MongoPart, completes
from tollkeeper_server.store.mongo.documents import with_key

NOTICES = "budget_notices"


class MongoNotices(MongoPart):
    """Implements `ports.NoticeStore`."""

    @completes
    async def add(self, notice: BudgetNotice) -> bool:
        """As the port says."""
        document = to_document(notice)
        document["_id"] = document.pop("id")
        try:
            await self._collection(NOTICES).insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    @completes
    async def list(self, *, before: str = "", limit: int) -> builtins.list[BudgetNotice]:
        """As the port says."""
        where = {"_id": {"$lt": before}} if before else {}
        found = self._collection(NOTICES).find(where).sort("_id", -1).limit(limit)
        return [from_document(with_key(document), BudgetNotice) async for document in found]

    @completes
    async def delete_before(self, at: datetime, *, limit: int) -> int:
        """As the port says."""
        notices = self._collection(NOTICES)
        old: Document = {"noticed_at": {"$lt": time_text(at)}, "period": {"$ne": 0}}
        found = await notices.find(old, {"_id": 1}).sort("noticed_at", 1).limit(limit).to_list()
        if not found:
            return 0
        done = await notices.delete_many({"_id": {"$in": [cast("str", it["_id"]) for it in found]}})
        return done.deleted_count
