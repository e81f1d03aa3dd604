"""Changes of the costs of stored events in MongoDB: a document each."""

import builtins
from collections.abc import Sequence

from pymongo import UpdateOne

from tollkeeper_server.domain.repricing import COUNTED, NewCost, Repricing
from tollkeeper_server.store.documents import from_document, to_document
from tollkeeper_server.store.mongo.connection import MongoPart, completes
from tollkeeper_server.store.mongo.documents import with_key

_COLLECTION = "repricings"


class MongoRepricings(MongoPart):
    """Implements `ports.RepricingStore`."""

    @completes
    async def apply(self, costs: Sequence[NewCost], trace: Repricing) -> None:
        """As the port says. The trace is written first: whatever fails, no cost changes without one."""
        document = to_document(trace)
        del document["id"]
        numbers = {name: document.pop(name) for name in COUNTED}
        await self._collection(_COLLECTION).update_one(
            {"_id": trace.id}, {"$set": document, "$inc": numbers}, upsert=True
        )
        if costs:
            await self._collection("usage").bulk_write(
                [
                    UpdateOne(
                        {"_id": it.id, "cost_nano_dollars": it.before},
                        {"$set": {"cost_nano_dollars": it.after, "priced_requests": 1}},
                    )
                    for it in costs
                ],
                ordered=False,
            )

    @completes
    async def list(self, *, before: str = "", limit: int) -> builtins.list[Repricing]:
        """As the port says."""
        where = {"_id": {"$lt": before}} if before else {}
        found = self._collection(_COLLECTION).find(where).sort("_id", -1).limit(limit)
        return [from_document(with_key(document), Repricing) async for document in found]
