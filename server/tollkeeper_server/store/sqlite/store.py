"""The store in one SQLite file: the embedded default."""

import sqlite3
from pathlib import Path

from tollkeeper_server.domain.revision import USUAL, Bounds
from tollkeeper_server.store.sqlite import configuration, texts, tokens
from tollkeeper_server.store.sqlite.configuration import SqliteConfiguration
from tollkeeper_server.store.sqlite.connection import SqliteConnection
from tollkeeper_server.store.sqlite.ledger import SqliteLedger
from tollkeeper_server.store.sqlite.notices import SqliteNotices
from tollkeeper_server.store.sqlite.placements import SqlitePlacements
from tollkeeper_server.store.sqlite.repricings import SqliteRepricings
from tollkeeper_server.store.sqlite.revisions import SqliteRevisions
from tollkeeper_server.store.sqlite.schema import MIGRATIONS, Migrations
from tollkeeper_server.store.sqlite.secrets import SqliteSecrets
from tollkeeper_server.store.sqlite.sessions import SqliteSessions
from tollkeeper_server.store.sqlite.tokens import SqliteTokens
from tollkeeper_server.store.sqlite.usage import SqliteUsage


class SqliteStore:
    """Implements `ports.Store` on one file, which several processes of one machine may share."""

    def __init__(
        self,
        path: Path,
        *,
        busy_seconds: float = 5.0,
        migrations: Migrations = MIGRATIONS,
        history: Bounds = USUAL,
    ) -> None:
        """Take the file, and how long to wait for another process that is writing to it.

        `migrations` are the steps to the schema's present shape, `history` the bounds of the history.
        """
        self._connection = SqliteConnection(path, busy_seconds=busy_seconds, migrations=migrations)
        self.configuration = SqliteConfiguration(self._connection, history)
        self.revisions = SqliteRevisions(self._connection)
        self.tokens = SqliteTokens(self._connection)
        self.usage = SqliteUsage(self._connection)
        self.ledger = SqliteLedger(self._connection)
        self.notices = SqliteNotices(self._connection)
        self.placements = SqlitePlacements(self._connection)
        self.secrets = SqliteSecrets(self._connection)
        self.repricings = SqliteRepricings(self._connection)
        self.sessions = SqliteSessions(self._connection)

    async def open(self) -> None:
        """Open the file, making it if need be, and bring its schema up to date."""
        await self._connection.open()
        try:
            if await self._connection.read(_has_unlisted):
                await self._connection.write(_fill_lists)
            while await self._connection.read(texts.needs_filling):
                await self._connection.write(texts.fill)
        except BaseException:
            await self._connection.close()
            raise

    async def close(self) -> None:
        """Wait for the calls under way, and close the file."""
        await self._connection.close()

    async def ping(self) -> None:
        """Return if the file can be read."""
        await self._connection.read(lambda db: db.execute("SELECT 1").fetchone())


def _has_unlisted(db: sqlite3.Connection) -> bool:
    """Return whether a process of an older version wrote anything that lists can't sort or find."""
    (found,) = db.execute(
        "SELECT EXISTS (SELECT 1 FROM tokens WHERE searched IS NULL) "
        "OR EXISTS (SELECT 1 FROM configuration WHERE searched IS NULL)"
    ).fetchone()
    return bool(found)


def _fill_lists(db: sqlite3.Connection) -> None:
    tokens.fill_lists(db)
    configuration.fill_lists(db)
