"""Both stores, empty, for the one suite that holds them to `store/ports.py`."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pymongo
import pytest
from tollkeeper_server.process.loop import NamesLoop
from tollkeeper_server.store.open import make_store
from tollkeeper_server.store.ports import Store

from tests.servers.mongo import MongoServer, with_database

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
FreshStore = Callable[[], AbstractAsyncContextManager[Store]]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, LoopFactory]:
    """Run what is held to the wire on both loops: they differ in how connections end."""
    factories: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    if item.path.name.startswith("test_transport"):
        factories["uvloop"] = NamesLoop
    return factories


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.mongo)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that nobody opened yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url: str = request.getfixturevalue("mongo_url")
    return url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An open store with nothing in it."""
    async with opened(store_url) as store:
        yield store


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    """The store of that URL, open."""
    store = make_store(url, Path())
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def fresh_store(store_url: str, tmp_path: Path) -> FreshStore:
    """Makes a new and empty store each time, for tests that try many examples."""
    numbers = iter(range(1_000_000))

    @asynccontextmanager
    async def make() -> AsyncIterator[Store]:
        if store_url.startswith("sqlite"):
            url = f"sqlite:///{tmp_path / f'fresh-{next(numbers)}.db'}"
        else:
            url = with_database(store_url)
        async with opened(url) as store:
            yield store
        if store_url.startswith("mongodb"):
            with pymongo.MongoClient[dict[str, object]](url) as client:
                client.drop_database(client.get_default_database().name)

    return make


class Outage:
    """A store that a test takes away and puts back, and what its schema's version is."""

    def __init__(self, url: str, take: Callable[[], object], give: Callable[[], object]) -> None:
        self.url = url
        self.take = take
        self.give = give


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.mongo)])
def outage(request: pytest.FixtureRequest, tmp_path: Path) -> Outage:
    """A store that can be away: its file moved, or its server stopped."""
    if request.param == "sqlite":
        path, elsewhere = tmp_path / "store.db", tmp_path / "elsewhere.db"
        return Outage(f"sqlite:///{path}", lambda: path.rename(elsewhere), lambda: elsewhere.rename(path))
    server: MongoServer = request.getfixturevalue("mongo_server")
    return Outage(server.new_url(), server.stop, server.start)


def forget_lists(url: str) -> None:
    """Take what lists sort by and search out of a store that is not open, as if an older version wrote it."""
    if url.startswith("sqlite:///"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        for table in ("tokens", "configuration"):
            connection.execute(f"UPDATE {table} SET sort_name = '', searched = NULL")  # noqa: S608
        connection.commit()
        connection.close()
        return
    with pymongo.MongoClient[dict[str, object]](url) as client:
        database = client.get_default_database()
        for name in ("tokens", "projects"):
            database[name].update_many({}, {"$unset": {"sort_name": "", "searched": "", "expiry": ""}})


def write_schema_version(url: str, version: int) -> None:
    """Write another schema version into a store that is not open."""
    if url.startswith("sqlite:///"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        return
    with pymongo.MongoClient[dict[str, object]](url) as client:
        client.get_default_database()["meta"].update_one({"_id": "schema"}, {"$set": {"version": version}})
