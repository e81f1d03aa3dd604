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


async def _third(database: Database) -> None:
    await database["placements"].create_index([("project_id", 1), ("upstream", 1)])


async def _fourth(database: Database) -> None:
    tokens = database["tokens"]
    for name in ("sort_name", "expiry", "last_used_at"):
        await tokens.create_index([(name, 1), ("_id", 1)])
    await tokens.create_index([("project_id", 1), ("last_used_at", 1)])
    for collection in ("projects", "upstreams", "groups", "models", "listeners"):
        for name in ("created_at", "updated_at"):
            await database[collection].create_index([(name, 1), ("_id", 1)])
    await database["projects"].create_index([("sort_name", 1), ("_id", 1)])


async def _fifth(database: Database) -> None:
    usage = database["usage"]
    for name in ("stored", "amended"):
        await usage.create_index([(name, 1), ("_id", 1)])


async def _sixth(database: Database) -> None:
    sessions = database["sessions"]
    for name in ("digest", "next_digest"):
        await sessions.create_index(name, unique=True)
    for name in ("previous_digest", "last_used_at", "created_at"):
        await sessions.create_index(name)
    await sessions.create_index([("token_mark", 1), ("_id", -1)])


async def _seventh(database: Database) -> None:
    await database["tokens"].create_index([("allowed_models", 1), ("_id", 1)])


async def _eighth(database: Database) -> None:
    await database["revisions"].create_index("number")
    changes = database["revision_changes"]
    await changes.create_index("record")
    await changes.create_index("created_at")
    await changes.create_index([("kind", 1), ("key", 1)])


async def _ninth(database: Database) -> None:
    await database["tokens"].create_index([("is_active", 1), ("expiry", 1), ("_id", 1)])


async def _tenth(database: Database) -> None:
    spent = database["ledger_spent"]
    await spent.create_index([("key", 1), ("period", 1)])
    await spent.create_index([("calendar", 1), ("period", 1)])


async def _eleventh(database: Database) -> None:
    await database["tokens"].create_index("limits.measure")
    notices = database["budget_notices"]
    await notices.create_index([("key", 1), ("period", 1), ("limit.amount", 1), ("percent", 1)], unique=True)
    await notices.create_index("noticed_at")


MIGRATIONS: tuple[Callable[[Database], Awaitable[None]], ...] = (
    _first,
    _second,
    _third,
    _fourth,
    _fifth,
    _sixth,
    _seventh,
    _eighth,
    _ninth,
    _tenth,
    _eleventh,
)


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
