"""A read of MongoDB that nobody waits for: the server sees that its client is gone, and has a time limit."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tollkeeper_server.domain.usage import UsageFilter
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.mongo.store import MongoStore

from tests.contract.entities import an_event
from tests.servers.mongo import with_database
from tests.servers.mongo_wire import wire_to

pytestmark = pytest.mark.mongo

DEADLINE = 20.0
READS: dict[str, Callable[[MongoStore], Coroutine[Any, Any, object]]] = {
    "aggregate": lambda store: store.usage.sum(
        UsageFilter(), group_by=[], time_length=0, take=lambda _: None
    ),
    "find": lambda store: store.usage.list(UsageFilter(), limit=1),
}


@pytest.mark.parametrize(("command", "read"), READS.items(), ids=READS)
async def test_a_caller_that_leaves_closes_the_connection(
    mongo_url: str, command: str, read: Callable[[MongoStore], Coroutine[Any, Any, object]]
) -> None:
    async with wire_to(with_database(mongo_url)) as wire:
        store = MongoStore(wire.url)
        await store.open()
        event = an_event()
        await store.usage.add([event])
        wire.hold_at(1)
        asked = asyncio.ensure_future(read(store))
        assert await wire.comes_to_hold(asked)
        assert command in wire.held
        assert 0 < wire.held["maxTimeMS"] <= 30_000

        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

        async with asyncio.timeout(DEADLINE):
            await wire.left.wait()
        assert await store.usage.list(UsageFilter(), limit=9) == [event]
        await store.close()


async def test_the_failure_of_a_call_whose_caller_left_is_no_fault(
    mongo_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with wire_to(with_database(mongo_url)) as wire:
        store = MongoStore(wire.url)
        await store.open()
        wire.hold_at(1)
        asked = asyncio.ensure_future(store.tokens.get("tok_1"))
        assert await wire.comes_to_hold(asked)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        wire.cut()
        async with asyncio.timeout(DEADLINE):
            await store.close()
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_closing_stops_what_would_read_on(mongo_url: str) -> None:
    async with wire_to(with_database(mongo_url)) as wire:
        store = MongoStore(wire.url)
        await store.open()
        wire.hold_at(1)
        asked = asyncio.ensure_future(
            store.usage.sum(UsageFilter(), group_by=[], time_length=0, take=lambda _: None)
        )
        assert await wire.comes_to_hold(asked)
        async with asyncio.timeout(DEADLINE):
            await store.close()
            with pytest.raises(StoreUnavailableError):
                await asked
