"""What is spent of budgets, in MongoDB: a document for each key, period and process (`charging.py`)."""

from collections import Counter
from collections.abc import Collection
from typing import cast

from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.store.documents import Document
from tollkeeper_server.store.mongo.charging import ROWS, Charging
from tollkeeper_server.store.mongo.connection import MongoPart, completes, ends
from tollkeeper_server.store.mongo.folding import Folding, amount_of


class MongoLedger(MongoPart):
    """Implements `ports.LedgerStore`."""

    @ends
    async def spent(self, keys: Collection[str] | None = None, *, owner: str | None = None) -> list[Charge]:
        """As the port says. The rows are summed here: FerretDB would read all of them, too."""
        wanted: Document = {}
        if keys is not None:
            wanted["key"] = {"$in": list(keys)}
        if owner is not None:
            wanted["owner"] = owner
        return await self._sums(wanted)

    @ends
    async def spent_by_others(self, key: str, period: int, members: Collection[str]) -> int:
        """As the port says."""
        sums = await self._sums({"key": key, "period": period, "owner": {"$nin": list(members)}})
        return sum(charge.amount for charge in sums)

    @ends
    async def calendars(self) -> set[str]:
        """As the port says."""
        return {cast("str", name) for name in await self._collection(ROWS).distinct("calendar")}

    @completes
    async def delete_before(self, calendar: str, period: int, *, limit: int) -> int:
        """As the port says."""
        rows = self._collection(ROWS)
        past: Document = {"calendar": calendar, "period": {"$lt": period}}
        found = await rows.find(past, {"_id": 1}).limit(limit).to_list()
        if not found:
            return 0
        done = await rows.delete_many({"_id": {"$in": [row["_id"] for row in found]}})
        return done.deleted_count

    @completes
    async def fold(self, owner: str, at: int, *, before: int, members: Collection[str], limit: int) -> int:
        """As the port says: `folding.py` says how."""
        return await Folding.of(self._connection.database, at).fold(owner, before, members, limit)

    async def _sums(self, condition: Document) -> list[Charge]:
        amounts = Counter[tuple[str, int]]()
        rows = Charging.of(self._connection.database).rows
        found = await rows.find(condition, {"key": 1, "period": 1, "amount": 1, "folded": 1}).to_list()
        present = {row["_id"] for row in found}
        for row in found:
            amounts[cast("str", row["key"]), cast("int", row["period"])] += amount_of(row, present)
        return [
            Charge(key, period, amount)
            for (key, period), amount in sorted(amounts.items(), key=lambda it: it[0][1])
        ]
