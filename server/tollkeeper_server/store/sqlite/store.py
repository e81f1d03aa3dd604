"""The store in one SQLite file: the embedded default."""

from pathlib import Path

from tollkeeper_server.store.sqlite.configuration import SqliteConfiguration
from tollkeeper_server.store.sqlite.connection import SqliteConnection
from tollkeeper_server.store.sqlite.placements import SqlitePlacements
from tollkeeper_server.store.sqlite.schema import MIGRATIONS, Migrations
from tollkeeper_server.store.sqlite.secrets import SqliteSecrets
from tollkeeper_server.store.sqlite.tokens import SqliteTokens
from tollkeeper_server.store.sqlite.usage import SqliteUsage


class SqliteStore:
    """Implements `ports.Store` on one file, which several processes of one machine may share."""

    def __init__(self, path: Path, *, busy_seconds: float = 5.0, migrations: Migrations = MIGRATIONS) -> None:
        """Take the file, and how long to wait for another process that is writing to it.

        `migrations` are the steps to the schema's present shape.
        """
        self._connection = SqliteConnection(path, busy_seconds=busy_seconds, migrations=migrations)
        self.configuration = SqliteConfiguration(self._connection)
        self.tokens = SqliteTokens(self._connection)
        self.usage = SqliteUsage(self._connection)
        self.placements = SqlitePlacements(self._connection)
        self.secrets = SqliteSecrets(self._connection)

    async def open(self) -> None:
        """Open the file, making it if need be, and bring its schema up to date."""
        await self._connection.open()

    async def close(self) -> None:
        """Wait for the calls under way, and close the file."""
        await self._connection.close()

    async def ping(self) -> None:
        """Return if the file can be read."""
        await self._connection.read(lambda db: db.execute("SELECT 1").fetchone())
