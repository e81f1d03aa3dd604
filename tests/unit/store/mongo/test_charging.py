"""What events charge to budgets in MongoDB, whatever happens between the steps of writing them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pymongo
import pytest
from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.mongo.charging import CHARGE_NOTES, ROWS
from tollkeeper_server.store.mongo.store import MongoStore

from tests.contract.entities import an_event
from tests.contract.test_ledger_store import spent, stored, sums
from tests.servers.mongo import with_database
from tests.servers.mongo_wire import wire_to
from tests.unit.store.mongo.test_counting import opened

pytestmark = pytest.mark.mongo

DAY, MONTH = "money:day:token:tok_1", "tokens:month:project:prj_1"
Recover = Callable[[MongoStore, Sequence[UsageEvent]], Awaitable[object]]
RECOVERIES: dict[str, Recover] = {
    "some of the events again, and others": lambda store, events: store.usage.add(
        [*events[:1], *more()], owner="heir"
    ),
    "another start": lambda store, _: store.usage.count_all(),
}


def charged(confidence: Confidence, *charges: Charge) -> UsageEvent:
    """Return an event that charges that."""
    return msgspec.structs.replace(an_event(), tokens=TokenCounts(confidence=confidence), charges=charges)


def more() -> list[UsageEvent]:
    """Return other events that charge the same budgets."""
    return [charged(Confidence.EXACT, Charge(DAY, 0, 1), Charge(MONTH, 0, 1))]


def surer(event: UsageEvent, *charges: Charge) -> UsageEvent:
    """Return an event that amends one."""
    return msgspec.structs.replace(
        event, tokens=TokenCounts(prompt=1, confidence=Confidence.EXACT), charges=charges, amends=True
    )


async def batch_of(direct: MongoStore) -> list[UsageEvent]:
    """Return a batch: new events, and one that amends a stored one, by more and by less."""
    pending = charged(Confidence.PENDING, Charge(DAY, 0, 50), Charge(MONTH, 0, 50))
    await direct.usage.add([pending], owner="other")
    return [
        surer(pending, Charge(DAY, 0, 70), Charge(MONTH, 86_400, 3)),
        charged(Confidence.EXACT, Charge(DAY, 0, 1000)),
        charged(Confidence.NONE),
    ]


def notes(url: str) -> int:
    """Return how many batches are noted, or have left amounts in rows."""
    with pymongo.MongoClient[dict[str, object]](url) as client:
        database = client.get_default_database()
        rows = database[ROWS].find({}, {"counting": 1})
        return database[CHARGE_NOTES].count_documents({}) + sum(bool(row.get("counting")) for row in rows)


async def assert_exact(store: MongoStore) -> None:
    """Compare what is spent with what the stored events say."""
    assert await spent(store) == sums(await stored(store))


@pytest.mark.parametrize("delivered", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("recover", RECOVERIES.values(), ids=RECOVERIES)
async def test_a_connection_cut_at_any_command_leaves_what_the_events_say(
    mongo_url: str, recover: Recover, delivered: bool
) -> None:
    url = with_database(mongo_url)
    cuts = 0
    async with opened(url) as direct:
        for number in range(1, 100):
            events = await batch_of(direct)
            async with wire_to(url) as wire, opened(wire.url) as store:
                wire.cut_at(number, delivered=delivered)
                try:
                    await store.usage.add(events, owner="one")
                    break
                except StoreUnavailableError:
                    cuts += 1
            await recover(direct, events)
            await direct.usage.count_all()
            await assert_exact(direct)
            await direct.usage.add(events, owner="heir")
            await assert_exact(direct)
            await direct.usage.count_all()
            assert notes(url) == 0
    assert cuts >= 12


async def test_a_writer_that_sleeps_at_any_command_counts_nothing_twice(mongo_url: str) -> None:
    """Others write the same events, and start, while it sleeps."""
    url = with_database(mongo_url)
    sleeps = 0
    async with opened(url) as direct:
        for number in range(1, 100):
            events = await batch_of(direct)
            async with wire_to(url) as wire, opened(wire.url) as store:
                wire.hold_at(number)
                write = asyncio.ensure_future(store.usage.add(events, owner="one"))
                if not await wire.comes_to_hold(write):
                    break
                sleeps += 1
                await direct.usage.count_all()
                await direct.usage.add([*events[::-1], *more()], owner="two")
                await direct.usage.count_all()
                wire.release.set()
                await write
            await assert_exact(direct)
            await direct.usage.count_all()
            assert notes(url) == 0
    assert sleeps >= 12


async def test_a_start_beside_a_writer_at_any_command_counts_nothing_twice(mongo_url: str) -> None:
    url = with_database(mongo_url)
    async with opened(url) as direct:
        for number in range(1, 100):
            events = await batch_of(direct)
            async with wire_to(url) as wire, opened(wire.url) as store:
                wire.hold_at(number)
                write = asyncio.ensure_future(store.usage.add(events, owner="one"))
                if not await wire.comes_to_hold(write):
                    break
                await direct.usage.count_all()
                wire.release.set()
                await write
            await assert_exact(direct)
            assert notes(url) == 0
