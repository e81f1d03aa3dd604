"""What was spent in periods that are over is removed."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tollkeeper_server.domain.limit import Charge, Limit, Measure, Scope, ScopeKind, key_of
from tollkeeper_server.domain.period import Period, span_at
from tollkeeper_server.ledger.sweeping import DEAD_SECONDS, Sweeping
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.ledger.accounts import START
from tests.unit.ledger.parts import settled

ZONES = dict.fromkeys(Period, "UTC") | {Period.MONTH: "Pacific/Auckland"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield store
    await store.close()


def periods(period: Period) -> list[int]:
    """Return the ids of the next period, the present one, and of four before it, the latest first."""
    zone = ZoneInfo(ZONES[period])
    found = [span_at(period, zone, START // 1_000_000)]
    for _ in range(4):
        found.append(span_at(period, zone, max(found[-1].id - 1, 0)))
    return list(dict.fromkeys([found[0].end if period is not Period.TOTAL else 0, *(it.id for it in found)]))


def key(period: Period) -> str:
    limit = Limit(measure=Measure.TOKENS, amount=1, period=period, zone=ZONES[period])
    return key_of(Scope(ScopeKind.TOKEN, "deleted"), limit)


async def nobody() -> Sequence[str]:
    return ()


async def test_the_present_and_the_last_period_stay_and_totals_for_good(store: SqliteStore) -> None:
    charges = [Charge(key(period), at, 1) for period in Period for at in periods(period)]
    await store.usage.add([settled("a", charges=tuple(charges))], owner="one")
    await store.usage.add([settled("b", charges=tuple(charges))], owner="two")
    await Sweeping(store.ledger, lambda: START, "three", nobody, batch=1).sweep()
    kept = {(charge.key, charge.period): charge.amount for charge in await store.ledger.spent()}
    assert kept == {(key(period), at): 2 for period in Period for at in periods(period)[:3]}


async def test_what_the_dead_have_spent_in_total_is_summed_up_after_a_week(store: SqliteStore) -> None:
    """Unless nobody knows who is a member of the ledger that is shared, or the dead one is."""
    charge = Charge(key(Period.TOTAL), 0, 1)
    known: list[Sequence[str] | None] = [None]
    for owner in ("one", "two", "member"):
        await store.usage.add([settled(owner, charges=(charge,))], owner=owner)

    async def members() -> Sequence[str] | None:
        return known[0]

    async def own(seconds: int) -> list[int]:
        now = START + seconds * 1_000_000
        await Sweeping(store.ledger, lambda: now, "two", members, batch=1).sweep()
        counted = [await store.ledger.spent([charge.key], owner=it) for it in ("", "one", "two", "member")]
        return [sum(it.amount for it in charges) for charges in counted]

    assert await own(0) == [0, 1, 1, 1]
    known[0] = ("member",)
    assert await own(0) == [0, 1, 1, 1]
    assert await own(DEAD_SECONDS) == [0, 1, 1, 1]
    known[0] = None
    assert await own(DEAD_SECONDS + 1) == [0, 1, 1, 1]
    known[0] = ("member",)
    assert await own(DEAD_SECONDS + 1) == [1, 0, 1, 1]
