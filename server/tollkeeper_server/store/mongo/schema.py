"""The MongoDB database: the numbered steps to its present shape."""

from collections.abc import Awaitable, Callable

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from tollkeeper_server.store.documents import Document
from tollkeeper_server.store.ports import StoreCorruptError

Database = AsyncDatabase[Document]


async def _first(database: Database) -> None:
    tokens, usage = database["tokens"], database["usage"]
    await tokens.create_index("digest", unique=True)
    await tokens.create_index([("project_id", 1), ("_id", 1)])
    await tokens.create_index([("updated_at", -1), ("_id", -1)])
    for name in ("project_id", "token_id", "model_served", "upstream", "request_id"):
        await usage.create_index([(name, 1), ("_id", -1)])
    await usage.create_index("started_at")


async def _second(database: Database) -> None:
    await database["placements"].create_index("used_at")


MIGRATIONS: tuple[Callable[[Database], Awaitable[None]], ...] = (_first, _second)


async def prepare(database: Database) -> None:
    """Bring the database to the latest version; do nothing to one that has it.

    Two processes may do so at once: every step is harmless when repeated. Raises `StoreCorruptError` if
    the version is a newer one, or unreadable.
    """
    meta = database["meta"]
    found = await meta.find_one({"_id": "schema"})
    version = found.get("version") if found else 0
    if not isinstance(version, int):
        raise StoreCorruptError(
            f"store {database.name}: its version can't be read; restore the database from a backup, "
            "or name another one in TOLLKEEPER_STORE"
        )
    if version > len(MIGRATIONS):
        raise StoreCorruptError(
            f"store {database.name}: its version {version} is newer than version {len(MIGRATIONS)}, the "
            "latest this Tollkeeper knows; run the Tollkeeper that wrote it, or a later one"
        )
    for number, migrate in enumerate(MIGRATIONS[version:], start=version + 1):
        await migrate(database)
        try:
            await meta.update_one({"_id": "schema"}, {"$max": {"version": number}}, upsert=True)
        except DuplicateKeyError:  # another process has inserted it first
            await meta.update_one({"_id": "schema"}, {"$max": {"version": number}})
