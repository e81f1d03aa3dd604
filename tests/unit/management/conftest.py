"""The management plane that these tests call."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.management.plane import Plane


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    """A management plane with an empty store."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield Plane(store)
    await store.close()
