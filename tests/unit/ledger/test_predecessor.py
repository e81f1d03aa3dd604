"""A process that takes over counts what the one before has used and holds, to the unit."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.ledger.local import LocalLedger
from tollkeeper_server.ledger.predecessor import FollowingBooks, running_journals
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.integration.process import until
from tests.unit.ledger.accounts import START
from tests.unit.ledger.parts import crash, intent, settled
from tests.unit.ledger.test_books import HOURLY, TOTAL, Process, running, used

MANY = 120


class Successor(Process):
    """A process that takes over from those that run."""

    def __init__(self, store: SqliteStore, root: Path) -> None:
        super().__init__(store, root)
        self.ledger = LocalLedger(lambda: START)
        self.books = self.following = FollowingBooks(
            self.ledger,
            store.ledger,
            store.usage,
            lambda: START,
            name=self.journal.name,
            journals=running_journals(root, {self.journal.name}),
        )
        self.drain = Drain(
            self.journal, self.usage, batch=3, interval=0.001, adopt_interval=0.01, books=self.books
        )

    async def becomes(self, hourly: int, total: int) -> None:
        """Wait until so much is spent of both budgets."""
        await asyncio.to_thread(until, lambda: self.spent() == (hourly, total))

    async def end(self) -> None:
        """End as a process does."""
        await self.stored()
        self.following.close()
        await self.drain.close()
        self.journal.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield store
    await store.close()


async def test_both_count_while_one_takes_over_from_the_other(store: SqliteStore, tmp_path: Path) -> None:
    root = tmp_path / "journal"
    async with running(store, root) as old:
        for number in range(MANY):
            old.settle(settled(f"{number}", charges=used(1, 2)))
        await old.stored()
        old.usage.losses = 1_000_000
        old.settle(settled("unstored", charges=used(10, 10)))
        old.journal.begin(intent("stream", holds=used(100, 200)))
        old.journal.begin(intent("topped up", holds=used(1, 1)))
        old.journal.begin(intent("topped up", holds=used(300, 400)))
        old.journal.begin(intent("free"))
        old.journal.write_settled()
        new = Successor(store, root)
        await new.start()
        # What is stored between two questions counts twice until the next look.
        await new.becomes(MANY + 410, 2 * MANY + 610)
        new.settle(settled("next", charges=used(7, 7)))
        await new.stored()
        await new.becomes(MANY + 417, 2 * MANY + 617)

        old.usage.losses = 0
        old.journal.settle(settled("stream", charges=used(30, 40)))
        old.journal.settle(settled("topped up", charges=()))
        old.journal.begin(intent("late", holds=used(5, 5)))
        await new.becomes(MANY + 10 + 30 + 5 + 7, 2 * MANY + 10 + 40 + 5 + 7)
        old.journal.settle(settled("late", charges=used(4, 4)))
        old.journal.settle(settled("free"))
    await new.becomes(MANY + 10 + 30 + 4 + 7, 2 * MANY + 10 + 40 + 4 + 7)
    await asyncio.to_thread(until, lambda: new.following.is_over)
    assert new.ledger.standing(HOURLY, START).held == new.ledger.standing(TOTAL, START).held == 0
    await new.end()


async def test_one_that_dies_meanwhile_is_charged_what_it_held(store: SqliteStore, tmp_path: Path) -> None:
    root = tmp_path / "journal"
    old = Journal(root)
    old.begin(intent("stream", holds=used(100, 200)))
    old.settle(settled("settled", charges=used(1, 2)))
    old.write_settled()
    new = Successor(store, root)
    await new.start()
    assert new.spent() == (101, 202)
    crash(old)
    await asyncio.to_thread(until, lambda: not running_journals(root, {new.journal.name}))
    await new.stored()
    await asyncio.to_thread(until, lambda: new.following.is_over)
    assert new.spent() == (101, 202)
    await new.end()
