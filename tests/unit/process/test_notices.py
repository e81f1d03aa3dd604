"""Notices of budgets are told once, whatever processes note them, and whatever the store does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.standing import BudgetNotice
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.ledger.local import LocalLedger
from tollkeeper_server.ledger.meter import Meter
from tollkeeper_server.process.notices import BudgetNotices
from tollkeeper_server.snapshot.meters import meters_of
from tollkeeper_server.store.sqlite.store import SqliteStore

HOUR = 3600 * 1_000_000
NOW = 1000 * HOUR


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """An open store."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield store
    await store.close()


def _meter(period: Period = Period.HOUR) -> Meter:
    scope = Scope(ScopeKind.PROJECT, "prj_1")
    return meters_of(scope, [Limit(measure=Measure.REQUESTS, amount=100, period=period)])[0]


def _noted(notices: BudgetNotices) -> list[int]:
    told: list[int] = []
    notices.subscribe(lambda notice: told.append(notice.percent))
    return told


def _use(ledger: LocalLedger, amount: int, now: int) -> None:
    ledger.reserve(f"{amount} {now}", (_meter(),), [amount], now)
    ledger.settle(f"{amount} {now}", [amount])


async def test_each_threshold_is_told_once_a_period(store: SqliteStore) -> None:
    now = [NOW]
    notices = BudgetNotices(store.notices, lambda: now[0], "host-1")
    told = _noted(notices)
    notices.open()
    ledger = LocalLedger(lambda: NOW, crossed=notices.crossed)
    for amount in (79, 1, 2, 13, 4):
        _use(ledger, amount, now[0])
    now[0] += HOUR
    _use(ledger, 85, now[0])
    await notices.close()
    assert told == [80, 95, 80]
    kept = await store.notices.list(limit=9)
    assert sorted(it.percent for it in kept) == [80, 80, 95]
    assert {(it.scope, it.scope_id, it.process, it.limit) for it in kept} == {
        (ScopeKind.PROJECT, "prj_1", "host-1", _meter().limit)
    }


async def test_a_process_that_starts_again_does_not_tell_it_again(store: SqliteStore) -> None:
    """Nor do several that have ledgers of their own."""
    told = []
    for name in ("before", "after"):
        notices = BudgetNotices(store.notices, lambda: NOW, name)
        told.append(_noted(notices))
        notices.open()
        _use(LocalLedger(lambda: NOW, crossed=notices.crossed), 80, NOW)
        await notices.close()
    assert told == [[80], []]


class _Away:
    """A store of notices that is away at first."""

    def __init__(self, there: Callable[[], bool]) -> None:
        self._there = there
        self.asked = asyncio.Event()
        self.added: list[BudgetNotice] = []

    async def add(self, notice: BudgetNotice) -> bool:
        self.asked.set()
        if not self._there():
            raise StoreUnavailableError("the store")
        self.added.append(notice)
        return True

    async def list(self, *, before: str = "", limit: int) -> list[BudgetNotice]:
        raise NotImplementedError

    async def delete_before(self, at: object, *, limit: int) -> int:
        return 0


async def test_it_is_told_once_the_store_is_back() -> None:
    there: list[bool] = []
    store = _Away(lambda: bool(there))
    notices = BudgetNotices(store, lambda: NOW, "host-1", retry_seconds=0.01)
    told = _noted(notices)
    notices.open()
    notices.crossed(_meter(), 2)
    await store.asked.wait()
    assert told == []
    there.append(True)
    await notices.close()
    assert told == [95] == [it.percent for it in store.added]
