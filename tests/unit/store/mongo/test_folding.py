"""What dead processes have spent is summed up in MongoDB, whatever happens between the steps."""

import pytest
from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.domain.usage import Confidence
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.mongo.folding import PAUSE
from tollkeeper_server.store.mongo.store import MongoStore

from tests.contract.test_ledger_store import spent
from tests.servers.mongo import with_database
from tests.servers.mongo_wire import wire_to
from tests.unit.store.mongo.test_charging import assert_exact, charged
from tests.unit.store.mongo.test_counting import opened

pytestmark = pytest.mark.mongo

TOTAL = "requests:total:token:tok_1"


async def fold(store: MongoStore, at: int) -> int:
    """Have all summed up that were noted before."""
    return await store.ledger.fold("living", at, before=at, members=(), limit=9)


@pytest.mark.parametrize("delivered", [False, True], ids=["before", "after"])
async def test_a_connection_cut_at_any_command_changes_no_sum(mongo_url: str, delivered: bool) -> None:
    url = with_database(mongo_url)
    cuts, at = 0, 0
    async with opened(url) as direct:
        for number in range(1, 100):
            event = charged(Confidence.EXACT, Charge(TOTAL, 0, number))
            await direct.usage.add([event], owner=f"dead-{number}")
            await fold(direct, at + 1)  # notes it
            was_cut = False
            async with wire_to(url) as wire, opened(wire.url) as store:
                wire.cut_at(number, delivered=delivered)
                for _ in range(3):
                    at += PAUSE + 1
                    try:
                        await fold(store, at)
                    except StoreUnavailableError:
                        was_cut = True
                        break
            cuts += was_cut
            for _ in range(3):
                await assert_exact(direct)
                at += PAUSE + 1
                await fold(direct, at)
            await assert_exact(direct)
            assert await direct.ledger.spent([TOTAL], owner="") == await direct.ledger.spent()
            if not was_cut:
                break
    assert cuts >= 12


async def test_one_that_was_not_dead_keeps_its_own(mongo_url: str) -> None:
    """It spends more after it was added, and before its row would go."""
    async with opened(with_database(mongo_url)) as store:
        await store.usage.add([charged(Confidence.EXACT, Charge(TOTAL, 0, 5))], owner="late")
        await fold(store, 1)
        assert await fold(store, 2) == 1
        await store.usage.add([charged(Confidence.EXACT, Charge(TOTAL, 0, 7))], owner="late")
        assert await spent(store) == {(TOTAL, 0): 12}
        for step in (1, 2, 3):
            await store.ledger.fold("late", 2 + step * PAUSE, before=2, members=(), limit=9)
            assert await spent(store) == {(TOTAL, 0): 12}
        assert [it.amount for it in await store.ledger.spent([TOTAL], owner="late")] == [12]
