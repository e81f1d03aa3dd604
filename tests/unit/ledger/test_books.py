"""The ledger of a process has what the store has counted, exact to the unit, from its start on."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tollkeeper_server.domain.limit import Charge, Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.ledger.books import LocalBooks
from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.ledger.local import LocalLedger
from tollkeeper_server.ledger.meter import Meter, meter_of
from tollkeeper_server.store.sqlite.store import SqliteStore
from tollkeeper_server.store.sqlite.usage import SqliteUsage

from tests.unit.ledger.accounts import HOUR, START
from tests.unit.ledger.parts import DEADLINE, crash, intent, settled

TOKEN = Scope(ScopeKind.TOKEN, "tok_1")


def budget(period: Period, measure: Measure = Measure.TOKENS) -> Meter:
    return meter_of(TOKEN, Limit(measure=measure, amount=10_000, period=period))


HOURLY, TOTAL = budget(Period.HOUR), budget(Period.TOTAL)
NOW = HOURLY.calendar.at(START).id
BEFORE = NOW - 3600


def used(hourly: int, total: int = 0, *, period: int = NOW) -> tuple[Charge, ...]:
    """Return what a request has used of both budgets."""
    return Charge(HOURLY.key, period, hourly), Charge(TOTAL.key, 0, total)


def pending(event: UsageEvent) -> UsageEvent:
    """Return the event of a request whose response is made in the background."""
    return msgspec.structs.replace(event, tokens=TokenCounts(confidence=Confidence.PENDING))


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

    def __init__(self, store: SqliteStore, root: Path, *, adopt_interval: float = 60.0) -> None:
        self.ledger = LocalLedger(lambda: START)
        self.books = LocalBooks(self.ledger, store.ledger, lambda: START)
        self.journal = Journal(root)
        self.usage = Losing(store._connection)
        self.drain = Drain(
            self.journal,
            self.usage,
            batch=3,
            interval=0.001,
            adopt_interval=adopt_interval,
            books=self.books,
        )

    async def start(self) -> None:
        self.drain.start()
        async with asyncio.timeout(DEADLINE):
            await self.books.loaded()

    def spent(self, now: int = START) -> tuple[int, int]:
        """Return what is spent of both budgets."""
        return self.ledger.standing(HOURLY, now).spent, self.ledger.standing(TOTAL, now).spent

    def settle(self, event: UsageEvent) -> None:
        """End a request that had reserved what it has used."""
        meters, needs = (HOURLY, TOTAL), [charge.amount for charge in event.charges]
        self.ledger.reserve(event.id, meters, needs, START)
        self.journal.settle(event)
        self.ledger.settle(event.id, needs)

    async def stored(self) -> None:
        """Wait until all is stored that is settled."""
        assert await self.drain.flush(DEADLINE)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield store
    await store.close()


@asynccontextmanager
async def running(store: SqliteStore, root: Path, *, adopt_interval: float = 60.0) -> AsyncIterator[Process]:
    """A process that has started."""
    process = Process(store, root, adopt_interval=adopt_interval)
    try:
        await process.start()
        yield process
        await process.stored()
    finally:
        await process.drain.close()
        process.journal.close()


async def test_a_start_brings_stored_settled_and_interrupted_requests_into_the_ledger(
    store: SqliteStore, tmp_path: Path
) -> None:
    """Of the present period and in total; what is stored and still in the journal counts once."""
    root = tmp_path / "journal"
    dead = Journal(root)
    dead.begin(intent("interrupted", holds=used(1000, 2000)))
    dead.begin(intent("topped up", holds=used(1, 1)))
    dead.begin(intent("topped up", holds=used(300, 400)))
    for number in range(10):
        dead.begin(intent(f"{number}", holds=used(90, 90)))
        dead.settle(settled(f"{number}", charges=used(10, 1)))
    await store.usage.add(dead.read(4), owner=dead.name)
    await store.usage.add([settled("last hour", charges=used(500, 50, period=BEFORE))], owner="long dead")
    crash(dead)
    async with running(store, root) as process:
        assert process.spent() == (1000 + 300 + 100, 2000 + 400 + 10 + 50)
        process.settle(settled("next", charges=used(5, 5)))
        await process.stored()
        assert process.spent() == (1405, 2465)
        assert process.spent(START + HOUR) == (0, 2465)
    async with running(store, root) as process:
        assert process.spent() == (1405, 2465)


async def test_nothing_is_waited_for_that_no_budget_is_charged_with(
    store: SqliteStore, tmp_path: Path
) -> None:
    dead = Journal(tmp_path / "journal")
    for number in range(20):
        dead.settle(settled(f"{number}"))
    crash(dead)
    process = Process(store, tmp_path / "journal")
    process.usage.losses = 1_000_000
    await process.start()
    assert process.journal.orphans
    await process.drain.close()
    process.journal.close()


async def test_a_store_that_is_away_at_the_start_is_waited_for(store: SqliteStore, tmp_path: Path) -> None:
    dead = Journal(tmp_path / "journal")
    for number in range(10):
        dead.settle(settled(f"{number}", charges=used(10)))
    crash(dead)
    process = Process(store, tmp_path / "journal")
    process.usage.losses = 5
    await process.start()
    assert process.usage.losses == 0
    assert process.spent() == (100, 0)
    await process.drain.close()
    process.journal.close()


@pytest.mark.parametrize("losses", [0, 1, 2, 5])
async def test_the_journal_of_a_process_that_dies_later_is_charged_when_it_is_adopted(
    store: SqliteStore, tmp_path: Path, losses: int
) -> None:
    """Once, though answers of the store are lost, and beside requests of the process itself."""
    root = tmp_path / "journal"
    other = Journal(root)
    async with running(store, root, adopt_interval=0.0) as process:
        for number in range(10):
            other.settle(settled(f"other {number}", charges=used(10, 1)))
        other.begin(intent("interrupted", holds=used(1000, 100)))
        process.usage.losses = losses
        for number in range(4):
            process.settle(settled(f"own {number}", charges=used(3, 3)))
        crash(other)
        async with asyncio.timeout(DEADLINE):
            while root.joinpath(other.name).exists():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.001)
        process.settle(settled("own last", charges=used(3, 3)))
        await process.stored()
        assert process.spent() == (1100 + 15, 110 + 15)
    async with running(store, root) as process:
        assert process.spent() == (1115, 125)


@pytest.mark.parametrize("losses", [0, 1, 3])
@pytest.mark.parametrize("at_once", [True, False])
async def test_what_an_event_amends_is_charged_once_it_is_stored(
    store: SqliteStore, tmp_path: Path, at_once: bool, losses: int
) -> None:
    """A response that was made in the background has used less, or more, than was counted."""
    async with running(store, tmp_path / "journal") as process:
        events = [pending(settled(f"{number}", charges=used(100, 100))) for number in range(2)]
        for event in events:
            process.settle(event)
        if not at_once:
            await process.stored()
        process.usage.losses = losses
        for event, amount in zip(events, (30, 150), strict=True):
            exact = TokenCounts(prompt=1, confidence=Confidence.EXACT)
            amending = msgspec.structs.replace(event, tokens=exact, charges=used(amount, 7), amends=True)
            process.journal.settle(amending)
            process.journal.settle(amending)
        await process.stored()
        assert process.spent() == (180, 14)
    async with running(store, tmp_path / "journal") as process:
        assert process.spent() == (180, 14)


async def test_a_clock_that_was_far_ahead_stops_no_budget(
    store: SqliteStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that was ahead by less than a period has its period go on: none is opened again."""
    far = settled("far", charges=used(7, period=NOW + 48 * 3600))
    await store.usage.add([far, settled("now", charges=used(5))], owner="dead")
    async with running(store, tmp_path / "journal") as process:
        assert process.spent() == (5, 0)
        assert f"budget {HOURLY.key} has 7 spent in a period" in caplog.text
    await store.usage.add([settled("soon", charges=used(9, period=NOW + 3600))], owner="dead")
    async with running(store, tmp_path / "journal") as process:
        assert process.spent() == (9, 0)
        assert process.spent(START + HOUR) == (9, 0)


async def test_a_limit_begins_when_it_is_set_and_goes_on_when_it_is_set_again(
    store: SqliteStore, tmp_path: Path
) -> None:
    """Its amount is no part of it, period and zone are."""
    await store.usage.add([settled("a", charges=used(100, 200))], owner="dead")
    async with running(store, tmp_path / "journal") as process:

        def spent(limit: Limit) -> int:
            return process.ledger.standing(meter_of(TOKEN, limit), START).spent

        assert spent(Limit(measure=Measure.TOKENS, amount=99_999, period=Period.HOUR)) == 100
        assert spent(Limit(measure=Measure.TOKENS, amount=1, period=Period.TOTAL)) == 200
        assert spent(Limit(measure=Measure.TOKENS, amount=1, period=Period.DAY)) == 0
        assert spent(Limit(measure=Measure.MONEY, amount=1, period=Period.HOUR)) == 0
