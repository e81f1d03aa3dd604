"""Sealed secrets in MongoDB."""

from pymongo.errors import DuplicateKeyError

from tollkeeper_server.store.mongo.connection import MongoPart, completes


class MongoSecrets(MongoPart):
    """Implements `ports.SecretStore`."""

    @completes
    async def keep(self, name: str, sealed: str) -> str:
        """As the port says."""
        secrets = self._collection("secrets")
        try:
            await secrets.insert_one({"_id": name, "sealed": sealed})
        except DuplicateKeyError:
            found = await secrets.find_one({"_id": name})
            return str(found["sealed"]) if found else sealed
        return sealed
