"""Several ledgers of one event loop on one table: behind a UNIX socket, and in a real Redis."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.script import connect_script
from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.ledger.clock import SteadyClock
from tollkeeper_server.ledger.meter import Meter, meter_of
from tollkeeper_server.ledger.port import Ledger
from tollkeeper_server.ledger.reservation import Cause, Outcome, Pending, Refused
from tollkeeper_server.ledger.shared.ledger import Connect, SharedLedger
from tollkeeper_server.ledger.shared.script import SCRIPT, by_script
from tollkeeper_server.process.table_keeper import TableKeeper, table_of

from tests.servers.redis import RedisServer

MEMBERS = 4
TOKEN = Scope(ScopeKind.TOKEN, "tok_1")
BUDGET = meter_of(TOKEN, Limit(measure=Measure.MONEY, amount=50_000, period=Period.TOTAL))
SLOTS = meter_of(TOKEN, Limit(measure=Measure.CONCURRENT, amount=1000))
RATE = meter_of(TOKEN, Limit(measure=Measure.REQUEST_RATE, amount=100_000))
METERS = (BUDGET, SLOTS, RATE)
NEEDS = (1000, 1, 1)


def of_the_port(ledger: SharedLedger) -> Ledger:
    """Have the type checker compare them."""
    return ledger


async def nothing_before(key: str, period: int, members: Sequence[str]) -> int:
    return 0


class Table:
    """A table that the test can take away."""

    def __init__(self, connect: Connect, stop: Callable[[], None], start: Callable[[], None]) -> None:
        self.connect = connect
        self.stop = stop
        self.start = start


@pytest.fixture
async def table(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Table]:
    """The table of the test's parameter."""
    if request.param == "broker":
        keeper = TableKeeper(tmp_path, SteadyClock())
        keeper.open()
        yield Table(table_of(tmp_path), lambda: None, lambda: None)
        await keeper.close()
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    link = RedisLink(server.new_url())
    yield Table(by_script(partial(connect_script, link, SCRIPT)), server.stop, server.start)
    await link.close()


@pytest.fixture
async def ledgers(table: Table) -> AsyncIterator[list[SharedLedger]]:
    """Four ledgers on one table."""
    made = [
        SharedLedger(secrets.token_hex(8), table.connect, nothing_before, expected=1) for _ in range(MEMBERS)
    ]
    for ledger in made:
        await ledger.open(10)
        assert ledger.answers
    yield made
    for ledger in made:
        await ledger.close(10)


on_every_table = pytest.mark.parametrize("table", ["broker", "redis"], indirect=True)
on_redis = pytest.mark.parametrize("table", ["redis"], indirect=True)


async def reserve(
    ledger: SharedLedger, id_: str, meters: tuple[Meter, ...] = METERS, needs: Sequence[int] = NEEDS
) -> Outcome:
    made = of_the_port(ledger).reserve(id_, meters, needs, 0)
    return made if isinstance(made, (Pending, Refused)) else await made


async def spent_and_held(ledger: SharedLedger) -> list[tuple[int, int]]:
    return [(one.spent, one.held) for one in await ledger.look((BUDGET, SLOTS), 0) if one is not None]


@on_every_table
async def test_all_members_are_known_when_they_are_asked_for(
    table: Table, ledgers: list[SharedLedger]
) -> None:
    """Those who joined after this one, and those who have left, too."""
    late = SharedLedger("late", table.connect, nothing_before, expected=1)
    await late.open(10)
    await late.close(10)
    for ledger in ledgers:
        members = await ledger.members()
        assert members is not None
        assert set(members) == {it.member.name for it in (*ledgers, late)}


def budget_of(amount: int) -> Meter:
    return meter_of(TOKEN, Limit(measure=Measure.MONEY, amount=amount, period=Period.TOTAL))


@on_every_table
async def test_thresholds_are_those_of_the_present_amount(table: Table) -> None:
    """As in one process, whichever of the members it is that reaches one."""
    told: list[tuple[int, int]] = []

    def crossed(meter: Meter, reached: int) -> None:
        told.append((meter.amount, reached))

    made = [
        SharedLedger(name, table.connect, nothing_before, expected=1, crossed=crossed) for name in ("a", "b")
    ]
    for ledger in made:
        await ledger.open(10)

    async def use(amount: int, of: int, by: SharedLedger) -> None:
        id_ = secrets.token_hex(4)
        if isinstance(await reserve(by, id_, (budget_of(of),), (amount,)), Pending):
            by.settle(id_, (amount,))
        await by.told()

    one, other = made
    await use(96, 100, one)
    assert told == [(100, 2)]
    await use(600, 1000, one)  # raised
    assert told == [(100, 2)]
    await use(110, 1000, one)
    await use(150, 1000, other)
    assert told[1:] == [(1000, 1), (1000, 2)]
    await use(1, 900, other)  # lowered to less than is used, whose thresholds are told
    await use(1, 900, one)
    assert told[3:] == []
    await use(1, 3000, other)
    await use(1500, 3000, other)  # raised again
    await use(1, 2500, one)  # lowered to what is used: the first refusal or use tells
    await use(500, 2500, other)
    assert told[3:] == [(3000, 1), (2500, 2)]
    for ledger in made:
        await ledger.close(10)


@on_every_table
async def test_a_limit_that_is_lowered_to_what_is_used_is_told_by_the_first_refusal(table: Table) -> None:
    told: list[tuple[int, int]] = []
    ledger = SharedLedger(
        "a", table.connect, nothing_before, expected=1, crossed=lambda *it: told.append((it[0].amount, it[1]))
    )
    await ledger.open(10)
    await reserve(ledger, "r", (budget_of(1000),), (90,))
    ledger.settle("r", (90,))
    for number in range(3):
        assert isinstance(await reserve(ledger, f"n{number}", (budget_of(80),), (1,)), Refused)
    assert told == [(80, 2)]
    await ledger.close(10)


@on_every_table
@pytest.mark.parametrize("skewed", [False, True])
async def test_two_hundred_against_a_budget_for_fifty(ledgers: list[SharedLedger], skewed: bool) -> None:
    async def client(number: int) -> bool:
        ledger = ledgers[0 if skewed and number % 8 else number % MEMBERS]
        made = await reserve(ledger, f"r{number}")
        if isinstance(made, Refused):
            assert made.cause is Cause.SPENT
            return False
        await asyncio.sleep(0)
        assert ledger.settle(f"r{number}", (1000, 0, 1))
        assert not ledger.settle(f"r{number}", (1000, 0, 1))
        return True

    admitted = await asyncio.gather(*(client(number) for number in range(200)))
    assert sum(admitted) == 50
    for ledger in ledgers:
        await ledger.told()  # all that it had to tell came before
    assert await spent_and_held(ledgers[0]) == [(50_000, 0), (0, 0)]


@on_every_table
async def test_whoever_stops_waiting_holds_nothing(ledgers: list[SharedLedger]) -> None:
    for turns in range(6):
        waiting = asyncio.create_task(reserve(ledgers[0], f"r{turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        if not waiting.cancelled():
            ledgers[0].give_back(f"r{turns}")
    assert isinstance(await reserve(ledgers[1], "other"), Pending)
    assert ledgers[1].give_back("other")
    await ledgers[1].told()
    assert await spent_and_held(ledgers[0]) == [(0, 0), (0, 0)]


@on_every_table
async def test_a_stream_holds_more_and_settles_at_what_it_used(ledgers: list[SharedLedger]) -> None:
    await reserve(ledgers[0], "stream")
    more = ledgers[0].top_up("stream", (3000, 0, 0), 0)
    assert more is not None
    assert not isinstance(more, (Pending, Refused))
    assert isinstance(await more, Pending)
    assert await spent_and_held(ledgers[0]) == [(0, 4000), (0, 1)]
    ledgers[0].settle("stream", (3500, 0, 1))
    assert await spent_and_held(ledgers[0]) == [(3500, 0), (0, 0)]
    standing = ledgers[0].standing(SLOTS, 0)
    assert standing is not None
    assert standing.remaining == SLOTS.amount - 1  # as it was when the stream last asked


@on_every_table
async def test_lost_connections_lose_and_double_nothing(ledgers: list[SharedLedger]) -> None:
    spent = 0

    async def client(ledger: SharedLedger, name: str) -> None:
        nonlocal spent
        for number in range(12):
            made = await reserve(ledger, f"{name}-{number}", METERS, (100, 1, 1))
            assert isinstance(made, Pending)
            if number % 4 == 0:
                ledger.drop()
            ledger.settle(f"{name}-{number}", (70, 0, 1))
            spent += 70

    await asyncio.gather(*(client(ledger, f"c{place}") for place, ledger in enumerate(ledgers)))
    for ledger in ledgers:
        await ledger.told()
    assert await spent_and_held(ledgers[0]) == [(spent, 0), (0, 0)]


@on_redis
async def test_a_redis_that_lost_all_is_told_again(ledgers: list[SharedLedger], table: Table) -> None:
    await reserve(ledgers[0], "before")
    await reserve(ledgers[1], "through")
    ledgers[0].settle("before", (900, 0, 1))
    await ledgers[0].told()
    epoch = ledgers[0].member.epoch
    table.stop()
    table.start()
    for ledger in ledgers:
        await ledger.told()  # a new one knows only what those who are back have told
    await reserve(ledgers[2], "after")
    assert ledgers[2].member.epoch > epoch
    assert await spent_and_held(ledgers[3]) == [(900, 2000), (0, 2)]
    ledgers[1].settle("through", (100, 0, 1))
    ledgers[2].settle("after", (0, 0, 1))
    for ledger in ledgers:
        await ledger.told()
    assert await spent_and_held(ledgers[3]) == [(1000, 0), (0, 0)]


@on_redis
async def test_without_redis_each_goes_on_with_its_share(ledgers: list[SharedLedger], table: Table) -> None:
    for place, ledger in enumerate(ledgers):
        await reserve(ledger, f"before {place}")
    table.stop()
    admitted = 0
    for place, ledger in enumerate(ledgers):
        for number in range(50):
            admitted += isinstance(await reserve(ledger, f"{place}-{number}"), Pending)
    # What was left when each had its last reply, a fourth of it each.
    assert admitted == sum((50 - place - 1) // MEMBERS for place in range(MEMBERS))
    assert 4 + admitted <= 50
    table.start()
    for ledger in ledgers:
        await ledger.told()
    assert await spent_and_held(ledgers[0]) == [(0, 1000 * (4 + admitted)), (0, 4 + admitted)]


@on_redis
async def test_a_store_that_is_away_has_requests_refused(table: Table) -> None:
    async def away(key: str, period: int, members: Sequence[str]) -> int:
        raise StoreUnavailableError("the store")

    ledger = SharedLedger("alone", table.connect, away, expected=1)
    await ledger.open(10)
    made = await reserve(ledger, "r1")
    assert isinstance(made, Refused)
    assert made.cause is Cause.UNKNOWN
    assert isinstance(await reserve(ledger, "r2", (SLOTS, RATE), (1, 1)), Pending)
    await ledger.close()


@on_redis
async def test_what_others_have_spent_counts(table: Table) -> None:
    asked: list[tuple[str, int, tuple[str, ...]]] = []

    async def spent(key: str, period: int, members: Sequence[str]) -> int:
        asked.append((key, period, tuple(members)))
        return 49_500

    ledger = SharedLedger("alone", table.connect, spent, expected=1)
    await ledger.open(10)
    made = await reserve(ledger, "r1")
    assert made == Refused(BUDGET, Cause.SPENT, 500)
    assert asked == [(BUDGET.key, 0, ("alone",))]
    await ledger.close()


@on_every_table
async def test_a_turn_may_have_thousands_of_meters(ledgers: list[SharedLedger]) -> None:
    ledger = ledgers[0]
    limit = Limit(measure=Measure.REQUESTS, amount=1, period=Period.TOTAL)
    meters = [meter_of(Scope(ScopeKind.TOKEN, f"many_{number}"), limit) for number in range(12_000)]
    ledger.member.take_over("stranger", [(meter.key, 0, 1) for meter in meters[:6000]])
    made = [
        ledger.reserve(str(first), meters[first : first + 24], (1,) * 24, 0)
        for first in range(0, len(meters), 24)
    ]
    async with asyncio.timeout(30):
        answers = [await it for it in made if not isinstance(it, (Pending, Refused))]
    assert [isinstance(it, Pending) for it in answers] == [False] * 250 + [True] * 250
