"""A read of SQLite ends when nobody waits for it any more."""

import asyncio
import gc
from pathlib import Path

import pytest
from tollkeeper_server.domain.usage import UsageFilter
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.contract.entities import a_token
from tests.unit.store.sqlite.endless import DEADLINE, READERS, until_busy, without_end


async def opened(path: Path) -> SqliteStore:
    """Return an open store with endless events."""
    store = SqliteStore(path)
    await store.open()
    without_end(path)
    return store


async def test_a_summary_that_nobody_waits_for_is_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """That is no fault, and not logged as one."""
    store = await opened(tmp_path / "store.db")
    summary = asyncio.ensure_future(
        store.usage.sum(UsageFilter(), group_by=[], time_length=0, take=lambda _: None)
    )
    await until_busy(store, 1)
    summary.cancel()
    with pytest.raises(asyncio.CancelledError):
        await summary
    await until_busy(store, 0)
    async with asyncio.timeout(DEADLINE):
        await store.close()
    await asyncio.sleep(0)
    gc.collect()
    assert caplog.records == []


async def test_those_that_had_to_wait_are_not_begun(tmp_path: Path) -> None:
    """However many have left, the next caller is answered."""
    store = await opened(tmp_path / "store.db")
    token = a_token()
    await store.tokens.add(token)
    summaries = [
        asyncio.ensure_future(store.usage.sum(UsageFilter(), group_by=[], time_length=0, take=lambda _: None))
        for _ in range(3 * READERS)
    ]
    await until_busy(store, READERS)
    for summary in summaries:
        summary.cancel()
    async with asyncio.timeout(DEADLINE):
        assert await store.tokens.get(token.id) == token
        await store.close()


async def test_the_end_of_one_read_ends_no_other(tmp_path: Path) -> None:
    """Who leaves just when the answer comes stops nothing that runs on the connection next."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    token = a_token()
    await store.tokens.add(token)

    async def leave(turns: int) -> None:
        asked = asyncio.ensure_future(store.tokens.get(token.id))
        for _ in range(turns):
            await asyncio.sleep(0)
        asked.cancel()

    async def stay() -> None:
        for _ in range(50):
            assert await store.tokens.get(token.id) == token

    await asyncio.gather(*(leave(number % 40) for number in range(400)), *(stay() for _ in range(8)))
    await store.close()


async def test_closing_stops_what_would_read_on(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    summary = asyncio.ensure_future(
        store.usage.sum(UsageFilter(), group_by=[], time_length=0, take=lambda _: None)
    )
    await until_busy(store, 1)
    async with asyncio.timeout(DEADLINE):
        await store.close()
        with pytest.raises(StoreUnavailableError):
            await summary
