"""What a process stores of others, and what amends events, is in the shared ledger, exact to the unit."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
import redis
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.script import connect_script
from tollkeeper_server.domain.limit import Charge, Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.ledger.meter import meter_of
from tollkeeper_server.ledger.reservation import Pending, Refused
from tollkeeper_server.ledger.shared.books import SharedBooks
from tollkeeper_server.ledger.shared.ledger import SharedLedger
from tollkeeper_server.ledger.shared.script import SCRIPT, by_script
from tollkeeper_server.store.sqlite.store import SqliteStore
from tollkeeper_server.store.sqlite.usage import SqliteUsage

from tests.unit.ledger.parts import DEADLINE, crash, intent, settled

TOKEN = Scope(ScopeKind.TOKEN, "tok_1")
BUDGET = meter_of(TOKEN, Limit(measure=Measure.TOKENS, amount=100_000, period=Period.TOTAL))


def used(amount: int) -> tuple[Charge, ...]:
    """Return what a request has used of the budget."""
    return (Charge(BUDGET.key, 0, amount),)


class Losing(SqliteUsage):
    """A store whose answer is lost as often as it is told, after it has written."""

    losses = 0

    async def add(self, events: Sequence[UsageEvent], *, owner: str = "") -> int:
        new = await super().add(events, owner=owner)
        if self.losses:
            self.losses -= 1
            raise StoreUnavailableError("the store")
        return new


class Process:
    """A process: its ledger, its journal, and a store whose answers may be lost."""

    def __init__(self, place: "Place", root: Path) -> None:
        self.journal = Journal(root)
        name = self.journal.name
        self.ledger = SharedLedger(
            name, by_script(place.connect), place.store.ledger.spent_by_others, expected=1
        )
        self.usage = Losing(place.store._connection)
        self.books = SharedBooks(self.ledger, place.store.ledger, self.usage, name)
        self.drain = Drain(self.journal, self.usage, batch=3, interval=0.001, books=self.books)

    async def use(self, event: UsageEvent) -> None:
        """Serve a request that has reserved what it uses."""
        needs = [charge.amount for charge in event.charges]
        made = self.ledger.reserve(event.id, [BUDGET], needs, 0)
        assert not isinstance(made, (Pending, Refused))
        assert isinstance(await made, Pending)
        self.journal.settle(event)
        self.ledger.settle(event.id, needs)

    async def spent(self) -> int:
        """Return what is spent or held, once all is stored and told."""
        return sum(await self.spent_and_held())

    async def spent_and_held(self) -> tuple[int, int]:
        """Return what is spent, and what is held, once all is stored and told."""
        assert await self.drain.flush(DEADLINE)
        await self.ledger.told()
        (standing,) = await self.ledger.look([BUDGET], 0)
        assert standing is not None
        return standing.spent, standing.held


class Place:
    """A store and a Redis that processes share."""

    def __init__(self, url: str, store: SqliteStore, root: Path) -> None:
        self.link = RedisLink(url)
        self.connect = partial(connect_script, self.link, SCRIPT)
        self.store = store
        self.root = root
        self._url = url

    @asynccontextmanager
    async def process(self, root: str = "one", losses: int = 0) -> AsyncIterator[Process]:
        """A process that has started."""
        process = Process(self, self.root / root)
        process.usage.losses = losses
        await process.ledger.open(10)
        process.drain.start()
        try:
            async with asyncio.timeout(DEADLINE):
                await process.books.loaded()
            yield process
        finally:
            await process.drain.flush(DEADLINE)
            await process.drain.close()
            await process.ledger.close()
            process.journal.close()

    def lose_all(self) -> None:
        """Have Redis lose all it has."""
        with redis.Redis.from_url(self._url) as client:
            client.flushdb()


@pytest.fixture
async def place(redis_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    made = Place(redis_url, store, tmp_path)
    yield made
    await made.link.close()
    await store.close()


async def dead(place: Place, root: str = "one") -> int:
    """Leave the journal of a process that was no member; return what it has used and not stored."""
    journal = Journal(place.root / root)
    journal.begin(intent("interrupted", holds=used(1000)))
    for number in range(10):
        journal.settle(settled(f"{number}", charges=used(10)))
    await place.store.usage.add(journal.read(4), owner=journal.name)
    crash(journal)
    return 1000 + 60


@pytest.mark.parametrize("losses", [0, 1, 3])
async def test_what_a_stranger_left_is_taken_over_once(place: Place, losses: int) -> None:
    """Also if the store's answers are lost, and whether or not the budget was asked for before."""
    await dead(place)
    async with place.process("other") as other:
        assert await other.spent() == 40
        async with place.process(losses=losses) as process:
            assert await process.spent() == 1100
            assert await other.spent() == 1100
            await process.use(settled("next", charges=used(5)))
            assert await process.spent() == 1105
            place.lose_all()
            assert await other.spent() == 1105
            assert await process.spent() == 1105


async def test_what_a_dead_member_left_is_in_the_table(place: Place) -> None:
    """It counts once, in this epoch and the next one."""
    async with place.process("other") as other:
        process = Process(place, place.root / "one")
        await process.ledger.open(10)
        process.journal.begin(intent("interrupted", holds=used(300)))
        made = process.ledger.reserve("interrupted", [BUDGET], [300], 0)
        assert not isinstance(made, (Pending, Refused))
        await made
        await process.use(settled("done", charges=used(20)))
        await process.ledger.told()
        crash(process.journal)
        await process.ledger.close()
        assert await other.spent_and_held() == (20, 300)
        async with place.process() as adopting:
            assert await adopting.spent_and_held() == (320, 0)
            place.lose_all()
            assert await other.spent() == await adopting.spent() == 320


@pytest.mark.parametrize("adopted", [False, True])
async def test_events_that_amend_others_are_charged_the_difference(place: Place, adopted: bool) -> None:
    made = settled("made", charges=used(700))
    pending = msgspec.structs.replace(made, tokens=TokenCounts(confidence=Confidence.PENDING))
    surer = msgspec.structs.replace(made, amends=True, charges=used(70))
    root = itertools.count()
    async with place.process(f"{next(root)}") as other:
        await other.use(pending)
        assert await other.spent() == 700
        if adopted:
            journal = Journal(place.root / "dead")
            journal.settle(surer)
            crash(journal)
        async with place.process("dead") as process:
            if not adopted:
                process.journal.settle(surer)
            assert await process.spent() == 70
            assert await other.spent() == 70
            place.lose_all()
            assert await process.spent() == 70
        assert await other.spent() == 70
