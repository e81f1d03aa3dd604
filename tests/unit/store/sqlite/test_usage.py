"""How usage events stand in the SQLite file, and what a file that refuses one keeps of its batch."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.usage import Place, StoredEvent, TokenCounts, UsageEvent, UsageFilter
from tollkeeper_server.store.documents import time_text
from tollkeeper_server.store.sqlite.connection import SqliteConnection
from tollkeeper_server.store.sqlite.store import SqliteStore
from tollkeeper_server.store.sqlite.tokens import SqliteTokens
from tollkeeper_server.store.sqlite.usage import SqliteUsage, _values

from tests.contract.entities import LATER, NOON, a_token, an_event

HUGE = TokenCounts(prompt=2**63)  # one more than SQLite can hold


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[SqliteConnection]:
    """A file of the latest version, without events."""
    connection = SqliteConnection(tmp_path / "store.db", busy_seconds=1)
    await connection.open()
    yield connection
    await connection.close()


async def test_values_are_written_as_earlier_versions_wrote_them(connection: SqliteConnection) -> None:
    """Times are texts of one length and compared as such; what is true is 1."""
    events = [
        msgspec.structs.replace(an_event(started_at=at), streamed=streamed)
        for at in (NOON, LATER, NOON.astimezone(timezone(timedelta(hours=2))))
        for streamed in (False, True)
    ]
    await SqliteUsage(connection).add(events)
    select = (
        "SELECT id, started_at, streamed, typeof(streamed), prompt, typeof(prompt), confidence FROM usage"
    )
    rows = await connection.read(lambda db: db.execute(select).fetchall())
    assert sorted(rows) == sorted(
        (
            *(event.id, event.started_at.astimezone(UTC).isoformat(timespec="microseconds")),
            *(int(event.streamed), "integer", 2**40, "integer", "estimated"),
        )
        for event in events
    )


offsets = st.integers(-86399, 86399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
instants = st.builds(
    lambda microseconds: NOON + timedelta(microseconds=microseconds), st.integers(-(10**16), 10**16)
)


@given(at=instants, zone=st.one_of(st.just(UTC), offsets))
def test_a_time_is_written_as_time_text_says(at: datetime, zone: timezone) -> None:
    """In any zone, with whole seconds or not: filters compare with it."""
    for time in (at, at.replace(microsecond=0)):
        event = an_event(started_at=time.astimezone(zone))
        assert _values([event], 1)[-2] == time_text(time)


@pytest.mark.parametrize("position", [0, 60, 99, 100, 299])
async def test_a_batch_with_an_event_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, position: int
) -> None:
    """Neither events nor counts, wherever it stands; without it the others are written."""
    store, token = SqliteStore(tmp_path / "store.db"), a_token()
    await store.open()
    await store.tokens.add(token)
    events = [an_event(token) for _ in range(300)]
    bad = msgspec.structs.replace(events[position], tokens=HUGE)
    with pytest.raises(OverflowError):
        await store.usage.add([*events[:position], bad, *events[position + 1 :]])
    assert await store.tokens.get(token.id) == token
    assert await store.usage.add(events) == 300
    await store.close()


@pytest.mark.parametrize("parameters", [999, 250_000])
async def test_a_batch_fits_into_what_sqlite_takes(connection: SqliteConnection, parameters: int) -> None:
    """Old versions of it take few parameters."""
    await connection.write(lambda db: db.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, parameters))
    events = [an_event() for _ in range(333)]
    assert await SqliteUsage(connection).add(events) == 333
    rows = await connection.read(lambda db: db.execute("SELECT id FROM usage").fetchall())
    assert {row[0] for row in rows} == {event.id for event in events}


async def test_events_of_an_earlier_release_stand_before_all_others(connection: SqliteConnection) -> None:
    """They have no order of their own: who goes on behind one is told what later releases have stored."""
    usage, early, later = SqliteUsage(connection), [an_event(), an_event()], an_event()
    await usage.add(early)
    await connection.write(lambda db: db.execute("UPDATE usage SET stored = 0"))
    await usage.add([later])
    assert [await usage.number_of(event.id) for event in (*early, later)] == [0, 0, 2]
    for place in (Place(0), Place(0, early[0].id), Place(0, early[1].id)):
        assert await usage.stored(UsageFilter(), after=place, until=2, limit=9) == [StoredEvent(2, later)]


async def test_only_what_was_added_is_counted(connection: SqliteConnection) -> None:
    """Rows are found by the order of insertion, also after the last ones were deleted."""
    tokens, usage, token = SqliteTokens(connection), SqliteUsage(connection), a_token()
    await tokens.add(token)
    events: list[UsageEvent] = [an_event(token) for _ in range(20)]
    await usage.add(events[:10])
    last = (events[8].id, events[9].id)
    await connection.write(lambda db: db.execute("DELETE FROM usage WHERE id IN (?, ?)", last))
    await tokens.add(a_token())
    assert await usage.add([*events[7:], events[0]]) == 12
    counted = await tokens.get(token.id)
    assert counted is not None
    assert counted.request_count == 22
