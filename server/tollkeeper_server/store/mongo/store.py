"""The store in MongoDB, through PyMongo's asyncio API.

No transactions and no change streams: every invariant is a unique key or an update of one document, so
a standalone server, a replica set and a sharded cluster all do.
"""

from datetime import timedelta

from tollkeeper_server.domain.revision import USUAL, Bounds
from tollkeeper_server.store.mongo.configuration import MARKS_KEPT, MongoConfiguration
from tollkeeper_server.store.mongo.connection import MongoConnection
from tollkeeper_server.store.mongo.history import MongoHistory
from tollkeeper_server.store.mongo.ledger import MongoLedger
from tollkeeper_server.store.mongo.notices import MongoNotices
from tollkeeper_server.store.mongo.placements import MongoPlacements
from tollkeeper_server.store.mongo.repricings import MongoRepricings
from tollkeeper_server.store.mongo.revisions import MongoRevisions
from tollkeeper_server.store.mongo.secrets import MongoSecrets
from tollkeeper_server.store.mongo.sessions import MongoSessions
from tollkeeper_server.store.mongo.tokens import MongoTokens
from tollkeeper_server.store.mongo.usage import MongoUsage


class MongoStore:
    """Implements `ports.Store` on one database, which any number of machines may share."""

    def __init__(self, url: str, *, marks_kept: timedelta = MARKS_KEPT, history: Bounds = USUAL) -> None:
        """Take a URL; its path names the database, `tollkeeper` if it has none.

        `marks_kept` is the age at which `open` removes the marks of deleted entities, `history` the bounds of
        the history.
        """
        self._connection = MongoConnection(url)
        self._marks_kept = marks_kept
        written = MongoHistory(self._connection)
        self.configuration = MongoConfiguration(self._connection, written, history)
        self.revisions = MongoRevisions(self._connection, written, self.configuration.revision)
        self.tokens = MongoTokens(self._connection)
        self.usage = MongoUsage(self._connection)
        self.ledger = MongoLedger(self._connection)
        self.notices = MongoNotices(self._connection)
        self.placements = MongoPlacements(self._connection)
        self.secrets = MongoSecrets(self._connection)
        self.repricings = MongoRepricings(self._connection)
        self.sessions = MongoSessions(self._connection)

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        await self._connection.open()
        try:
            await self.configuration.forget_deletions(older_than=self._marks_kept)
            await self.usage.count_all()
            await self.tokens.fill_lists()
            await self.configuration.fill_lists()
        except BaseException:
            await self._connection.close()
            raise

    async def close(self) -> None:
        """Wait for the calls under way, and disconnect."""
        await self._connection.close()

    async def ping(self) -> None:
        """Return if the server answers."""

        async def work() -> None:
            await self._connection.database.command("ping")

        await self._connection.run(work())
