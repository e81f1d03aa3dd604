"""The drain gets every event into the store, however the store behaves."""

import asyncio
import json
import logging
import os
import time
from pathlib import Path

import msgspec
import pytest
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent
from tollkeeper_server.ledger.drain import REJECTED
from tollkeeper_server.ledger.journal import Journal

from tests.unit.ledger.parts import (
    DEADLINE,
    FaultyStore,
    crash,
    directories,
    drain_all,
    draining,
    intent,
    settled,
)


async def test_events_go_in_batches_and_once(tmp_path: Path) -> None:
    store, journal = FaultyStore(), Journal(tmp_path)
    for number in range(95):
        journal.settle(settled(f"{number:03}"))
    async with draining(journal, store, batch=10) as drain:
        assert await drain.flush(DEADLINE)
    journal.close()
    assert store.writes == [10] * 9 + [5]
    assert len(store.events) == 95


async def test_events_settled_while_draining_arrive_unasked(tmp_path: Path) -> None:
    store, journal = FaultyStore(), Journal(tmp_path)
    async with draining(journal, store):
        journal.settle(settled("a"))
        async with asyncio.timeout(DEADLINE):
            while "a" not in store.events:
                store.attempted.clear()
                await store.attempted.wait()
    journal.close()


async def test_a_store_that_is_away_gets_everything_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tollkeeper.ledger")
    store, journal = FaultyStore(), Journal(tmp_path)
    store.away = True
    async with draining(journal, store) as drain:
        for number in range(3):
            journal.settle(settled(f"{number}"))
            store.attempted.clear()
            async with asyncio.timeout(DEADLINE):
                await store.attempted.wait()
        assert not await drain.flush(0.01)
        assert store.events == {}
        store.away = False
        assert await drain.flush(DEADLINE)
    journal.close()
    assert len(store.events) == 3
    assert caplog.text.count("they wait in the journal") == 1
    assert caplog.text.count("reach the store again") == 1


async def test_the_lag_lasts_until_everything_is_stored(tmp_path: Path) -> None:
    store, journal = FaultyStore(), Journal(tmp_path)
    store.away = True
    async with draining(journal, store) as drain:
        journal.settle(settled("a"))
        since = time.monotonic()
        store.attempted.clear()
        async with asyncio.timeout(DEADLINE):
            await store.attempted.wait()
        elapsed = time.monotonic() - since
        assert drain.lag >= elapsed
        store.away = False
        assert await drain.flush(DEADLINE)
        assert drain.lag < time.monotonic() - since
    journal.close()


async def test_an_outage_that_outlives_the_process_loses_nothing(tmp_path: Path) -> None:
    store, journal = FaultyStore(), Journal(tmp_path)
    store.away = True
    async with draining(journal, store) as drain:
        journal.begin(intent("a"))
        journal.settle(settled("a"))
        assert not await drain.flush(0.01)
    journal.close()
    store.away = False
    heir = Journal(tmp_path)
    await drain_all(heir, store)
    heir.close()
    assert store.statuses() == {"a": 200}


async def test_an_event_that_is_refused_is_set_aside_and_does_not_hold_up_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, journal = FaultyStore(), Journal(tmp_path)
    store.poison = {"07", "11", "12"}
    for number in range(40):
        journal.settle(settled(f"{number:02}"))
    await drain_all(journal, store)
    journal.close()
    assert sorted(store.events) == [f"{n:02}" for n in range(40) if n not in {7, 11, 12}]
    lines = [json.loads(line) for line in (tmp_path / REJECTED).read_text().splitlines()]
    assert [line["event"]["id"] for line in lines] == ["07", "11", "12"]
    assert lines[0]["error"] == "ValueError: value out of range in 07"
    assert "refuses usage event 07 (ValueError)" in caplog.text


async def test_a_store_that_refuses_everything_gets_everything_when_it_stops(tmp_path: Path) -> None:
    store, journal = FaultyStore(), Journal(tmp_path)
    store.poison = {"a", "b"}
    journal.settle(settled("a"))
    journal.settle(settled("b"))
    async with draining(journal, store) as drain:
        assert not await drain.flush(0.05)
        assert not (tmp_path / REJECTED).exists()
        store.poison.clear()
        assert await drain.flush(DEADLINE)
    journal.close()
    assert store.statuses() == {"a": 200, "b": 200}


async def test_an_orphan_that_cannot_be_read_does_not_hold_up_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("bad", "good"):
        dead = Journal(tmp_path)
        dead.settle(settled(name))
        crash(dead)
        if name == "bad":
            segment = next(dead._claim.path.glob("*.jsonl"))
            segment.unlink()
            segment.mkdir()
    store, journal = FaultyStore(), Journal(tmp_path)
    journal.settle(settled("own"))
    await drain_all(journal, store)
    journal.close()
    assert {"own"} <= set(store.events)
    assert "can't be adopted" in caplog.text


async def test_the_journal_of_a_process_that_dies_later_is_adopted(tmp_path: Path) -> None:
    store = FaultyStore()
    other = Journal(tmp_path)
    journal = Journal(tmp_path)
    async with draining(journal, store, adopt_interval=0.01):
        other.settle(settled("left"))
        other.begin(intent("under-way"))
        crash(other)
        async with asyncio.timeout(DEADLINE):
            while len(directories(tmp_path)) > 1:  # noqa: ASYNC110 - nothing tells of one that is gone
                await asyncio.sleep(0.01)
    journal.close()
    assert store.statuses() == {"left": 200, "under-way": 500}
    assert directories(tmp_path) == []


async def test_closing_in_the_middle_of_a_write_leaves_the_events_to_the_next_process(tmp_path: Path) -> None:
    class Hanging(FaultyStore):
        async def add(self, events: object, *, owner: str = "") -> int:
            self.attempted.set()
            await asyncio.Event().wait()
            raise AssertionError

    hanging, journal = Hanging(), Journal(tmp_path)
    journal.settle(settled("a"))
    async with draining(journal, hanging):
        async with asyncio.timeout(DEADLINE):
            await hanging.attempted.wait()
    journal.close()
    store, heir = FaultyStore(), Journal(tmp_path)
    await drain_all(heir, store)
    heir.close()
    assert store.statuses() == {"a": 200}


def _pending_and_its_end(event_id: str) -> tuple[UsageEvent, UsageEvent]:
    """Return the event of a response that is made in the background, and what amends it."""
    made = settled(event_id)
    pending = msgspec.structs.replace(made, tokens=TokenCounts(confidence=Confidence.PENDING))
    return pending, msgspec.structs.replace(made, status=0, amends=True)


@pytest.mark.parametrize("swapped", [True, False])
@pytest.mark.parametrize("apart", ["", "other process", "next batch"])
async def test_what_amends_an_event_reaches_it_by_whatever_way(
    tmp_path: Path, apart: str, swapped: bool
) -> None:
    store, journal, other = FaultyStore(), Journal(tmp_path), Journal(tmp_path)
    first, second = _pending_and_its_end("a")[:: -1 if swapped else 1]
    (other if apart == "other process" else journal).settle(first)
    if apart == "next batch":
        await drain_all(journal, store)
    journal.settle(second)
    if apart == "other process":
        crash(other)
        journal.adopt()
    await drain_all(journal, store)

    assert (store.events["a"].tokens, len(store.events)) == (settled("a").tokens, 1)
    if apart != "next batch" or not swapped:
        assert store.events["a"].status == 200
    journal.close()
    if apart != "other process":
        other.close()


@pytest.mark.parametrize("on_its_way", [True, False])
async def test_what_amends_an_event_that_waits_in_memory_is_not_forgotten_with_it(
    tmp_path: Path, on_its_way: bool
) -> None:
    store, journal = FaultyStore(), Journal(tmp_path)
    pending, end = _pending_and_its_end("a")
    writer = journal._writer
    writable, writer._file = writer._file, os.open(tmp_path, os.O_RDONLY)  # as a disk that can't be written
    journal.settle(pending)
    sent = journal.first_waiting(10) if on_its_way else []
    await store.add(sent)
    journal.settle(end)
    journal.forget_waiting(sent)
    assert journal.waiting == 1
    os.close(writer._file)
    writer._file = writable
    await drain_all(journal, store)

    assert store.events == {"a": msgspec.structs.replace(pending, tokens=end.tokens)}
    journal.close()
