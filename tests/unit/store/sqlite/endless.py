"""A store whose events are without end, so that whatever reads them runs until it is stopped."""

import asyncio
import sqlite3
from pathlib import Path

from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.store.sqlite.store import SqliteStore
from tollkeeper_server.store.usage_fields import TOKEN_FIELDS

DEADLINE = 20.0
READERS = 4


def without_end(path: Path) -> None:
    """Put a view of endless events into the place of those in a store's file."""
    columns = {*UsageEvent.__struct_fields__, *TOKEN_FIELDS} - {"tokens"}
    values = ", ".join(f'1 AS "{name}"' for name in sorted(columns))
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE usage RENAME TO kept")
        numbers = "WITH RECURSIVE numbers (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM numbers)"
        select = f"{numbers} SELECT {values} FROM numbers"  # noqa: S608 - names of our own
        database.execute(f"CREATE VIEW usage AS {select}")
    database.close()


async def until_busy(store: SqliteStore, readers: int) -> None:
    """Wait until so many of the store's connections are reading."""
    async with asyncio.timeout(DEADLINE):
        while READERS - store._connection._idle_readers.qsize() != readers:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.005)
