"""The order of events in MongoDB, whatever happens between the steps of writing them."""

import asyncio

import pytest
from tollkeeper_server.domain.usage import Place, UsageFilter
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.mongo import numbering
from tollkeeper_server.store.mongo.store import MongoStore

from tests.contract.entities import an_event
from tests.servers.mongo import with_database
from tests.servers.mongo_wire import wire_to
from tests.unit.store.mongo.test_counting import opened

pytestmark = pytest.mark.mongo

EVERYTHING = UsageFilter()


async def read_on(store: MongoStore, number: int) -> tuple[list[str], int]:
    """Return the ids behind a batch that can be read whole, and up to which batch they reach."""
    until = await store.usage.latest()
    found = await store.usage.stored(EVERYTHING, after=Place(number + 1), until=until, limit=1000)
    return [it.event.id for it in found], until


async def test_nothing_comes_behind_what_was_read_while_a_writer_sleeps_at_any_command(
    mongo_url: str,
) -> None:
    url = with_database(mongo_url)
    sleeps = 0
    async with opened(url) as direct:
        await direct.usage.add([an_event()])
        _, reached = await read_on(direct, 0)
        for number in range(1, 100):
            slow, quick = [an_event() for _ in range(3)], [an_event() for _ in range(3)]
            async with wire_to(url) as wire, opened(wire.url) as store:
                wire.hold_at(number)
                write = asyncio.ensure_future(store.usage.add(slow))
                if not await wire.comes_to_hold(write):
                    break
                sleeps += 1
                await direct.usage.add(quick)
                found, reached = await read_on(direct, reached)
                wire.release.set()
                await write
            more, reached = await read_on(direct, reached)
            assert sorted([*found, *more]) == sorted(event.id for event in (*slow, *quick))
        else:
            raise AssertionError("it never came to its end")
    assert sleeps >= 4


@pytest.mark.parametrize("delivered", [False, True], ids=["before", "after"])
async def test_a_batch_that_is_left_open_is_waited_for_a_while_only(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch, delivered: bool
) -> None:
    url = with_database(mongo_url)
    held_up = 0
    async with opened(url) as direct:
        await direct.usage.add([an_event()])
        reached = 1
        for number in range(1, 100):
            events = [an_event() for _ in range(3)]
            async with wire_to(url) as wire, opened(wire.url) as store:
                wire.cut_at(number, delivered=delivered)
                try:
                    await store.usage.add(events)
                    break
                except StoreUnavailableError:
                    pass
            await direct.usage.add(events)
            found, _ = await read_on(direct, reached)
            held_up += not found
            with monkeypatch.context() as patched:
                patched.setattr(numbering, "_OPEN_SECONDS", 0.0)
                found, reached = await read_on(direct, reached)
                assert found == sorted(event.id for event in events)
                await direct.usage.add([an_event()])  # which forgets what is dead
            reached += 1
            assert await direct.usage.latest() == reached
        else:
            raise AssertionError("it never came to its end")
    assert held_up >= 1
