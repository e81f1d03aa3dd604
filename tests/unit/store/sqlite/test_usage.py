"""How usage events stand in the SQLite file, and what a file that refuses one keeps of its batch."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.usage import Tokens, UsageEvent
from tollkeeper_server.store.documents import time_text
from tollkeeper_server.store.sqlite import tokens as sqlite_tokens
from tollkeeper_server.store.sqlite import usage as sqlite_usage
from tollkeeper_server.store.sqlite.schema import prepare
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.contract.entities import LATER, NOON, a_token, an_event

HUGE = Tokens(prompt=2**63)  # one more than SQLite can hold


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A file of the latest version, without events."""
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path, isolation_level=None)
    prepare(connection, path, busy_seconds=1)
    yield connection
    connection.close()


def test_values_are_written_as_earlier_versions_wrote_them(connection: sqlite3.Connection) -> None:
    """Times are texts of one length and compared as such; what is true is 1."""
    events = [
        msgspec.structs.replace(an_event(started_at=at), streamed=streamed)
        for at in (NOON, LATER, NOON.astimezone(timezone(timedelta(hours=2))))
        for streamed in (False, True)
    ]
    sqlite_usage.add(connection, events)
    rows = connection.execute(
        "SELECT id, started_at, streamed, typeof(streamed), prompt, typeof(prompt), confidence FROM usage"
    )
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
        assert sqlite_usage._values([event])[-1] == time_text(time)


@pytest.mark.parametrize("position", [0, 60, 99, 100, 299])
async def test_a_batch_with_an_event_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, position: int
) -> None:
    """Neither events nor counts, wherever it stands; without it the others are written."""
    store, token = SqliteStore(tmp_path / "store.db"), a_token()
    await store.open()
    await store.add_token(token)
    events = [an_event(token) for _ in range(300)]
    bad = msgspec.structs.replace(events[position], tokens=HUGE)
    with pytest.raises(OverflowError):
        await store.add_usage([*events[:position], bad, *events[position + 1 :]])
    assert await store.get_token(token.id) == token
    assert await store.add_usage(events) == 300
    await store.close()


@pytest.mark.parametrize("parameters", [999, 250_000])
def test_a_batch_fits_into_what_sqlite_takes(connection: sqlite3.Connection, parameters: int) -> None:
    """Old versions of it take few parameters."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, parameters)
    events = [an_event() for _ in range(333)]
    assert sqlite_usage.add(connection, events) == 333
    assert {row[0] for row in connection.execute("SELECT id FROM usage")} == {event.id for event in events}


def test_only_what_was_added_is_counted(connection: sqlite3.Connection) -> None:
    """Rows are found by the order of insertion, also after the last ones were deleted."""
    token = a_token()
    sqlite_tokens.add(connection, token)
    events: list[UsageEvent] = [an_event(token) for _ in range(20)]
    sqlite_usage.add(connection, events[:10])
    connection.execute("DELETE FROM usage WHERE id IN (?, ?)", (events[8].id, events[9].id))
    sqlite_tokens.add(connection, a_token())
    assert sqlite_usage.add(connection, [*events[7:], events[0]]) == 12
    counted = sqlite_tokens.get(connection, token.id)
    assert counted is not None
    assert counted.request_count == 22
