"""Sealed secrets in MongoDB."""

from pymongo.errors import DuplicateKeyError

from tollkeeper_server.store.mongo.connection import MongoPart, completes

SECRETS = "secrets"


class MongoSecrets(MongoPart):
    """Implements `ports.SecretStore`."""

    @completes
    async def keep(self, name: str, sealed: str) -> str:
        """As the port says."""
        secrets = self._collection(SECRETS)
        try:
            await secrets.insert_one({"_id": name, "sealed": sealed})
        except DuplicateKeyError:
            found = await secrets.find_one({"_id": name})
            return str(found["sealed"]) if found else sealed
        return sealed

    @completes
    async def find(self, name: str) -> str | None:
        """As the port says."""
        found = await self._collection(SECRETS).find_one({"_id": name})
        return str(found["sealed"]) if found else None

    @completes
    async def replace(self, name: str, sealed: str, *, expected: str) -> bool:
        """As the port says."""
        done = await self._collection(SECRETS).update_one(
            {"_id": name, "sealed": expected}, {"$set": {"sealed": sealed}}
        )
        return done.matched_count == 1
