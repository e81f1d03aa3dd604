"""A real store for each test of this room."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.clock import Clock
from tests.unit.coordination.parts import WatchedStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[WatchedStore]:
    """An empty SQLite store that is watched."""
    store = WatchedStore(tmp_path / "store.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock(1000.0)
