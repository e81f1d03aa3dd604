"""Usage events in SQLite: a row each."""

import builtins
import os
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC
from functools import cache
from operator import attrgetter

import msgspec

from tollkeeper_server.domain.histogram import bucket_expression
from tollkeeper_server.domain.limit import difference
from tollkeeper_server.domain.usage import (
    Place,
    StoredEvent,
    UsageEvent,
    UsageFilter,
    UsageGroup,
    less_sure,
)
from tollkeeper_server.domain.usage_sums import Latency
from tollkeeper_server.store.documents import time_text
from tollkeeper_server.store.ports import TakeGroups
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes
from tollkeeper_server.store.sqlite.ledger import charge_inserted, spend
from tollkeeper_server.store.sqlite.tokens import count
from tollkeeper_server.store.usage_fields import (
    GROUPS,
    GUESSED,
    NOT_STORED,
    PLAIN_COUNTS,
    SUMMED,
    attempts_text,
    charges_of,
    charges_text,
    details_text,
    to_event,
    wanted_times,
    wanted_values,
)

_CONVERTED = ("confidence", "details", "admission", "streamed", "attempts", "charges", "started_at")
_PLAIN = tuple(name for name in UsageEvent.__struct_fields__ if name not in {*NOT_STORED, *_CONVERTED})
_WITH_COUNTS = ("cost_nano_dollars", "confidence", "details", "charges")
_COLUMNS = (*_PLAIN, *PLAIN_COUNTS, *_CONVERTED)
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
_WRITTEN = (*_COLUMNS, "stored")
_token_values = attrgetter(*PLAIN_COUNTS)
_plain = attrgetter(*_PLAIN, *(f"tokens.{name}" for name in PLAIN_COUNTS))
# How many rows one statement takes. While SQLite runs it the GIL is free: it is held for the conversion and
# binding of the rows (about 0.2 ms for the largest), and won back a few times for each statement.
_RUNS = (100, 20, 5, 1)
_JSON_TIME = len("2026-01-31T23:59:59.123456Z")
_SELECT = f"SELECT {_NAMES} FROM usage"  # noqa: S608 - names of our own
# The signs keep SQLite from reading the events by an index on a field, in no order of the file: that takes
# twice as long as sorting.
_GROUPS: dict[UsageGroup, str] = {
    **{by: f"+{name}" for by, name in GROUPS.items()},
    UsageGroup.STATUS_CLASS: "status / 100",
}
_SUMS = {
    "requests": "count(*)",
    "failed_requests": "sum(status >= 400)",
    "cost_nano_dollars": "coalesce(sum(cost_nano_dollars), 0)",
    "priced_requests": "count(cost_nano_dollars)",
    "estimated_requests": f"sum(confidence IN ({', '.join(repr(it.value) for it in GUESSED)}))",
}
_NO_TIME = "''"
_GROUPS_AT_ONCE = 500


class SqliteUsage(SqlitePart):
    """Implements `ports.UsageStore`."""

    @writes
    def add(self, db: sqlite3.Connection, events: Sequence[UsageEvent], *, owner: str = "") -> int:
        """As the port says."""
        new = 0
        number = _begin_batch(db) if events else 0
        # Before version 3.32 SQLite takes 999 parameters.
        most = db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(_WRITTEN)
        for run in _runs(events, most):
            new += db.execute(_insert(len(run)), _values(run, number)).rowcount
            os.sched_yield()  # no request waits for the usage, but some may wait for this core
        if new:
            count(db, new)
            if any(event.charges for event in events):
                charge_inserted(db, new, owner)
        if new < len(events):
            _amend(db, [event for event in events if event.amends], number, owner)
        return new

    @reads
    def sum(
        self,
        db: sqlite3.Connection,
        where: UsageFilter,
        *,
        group_by: Sequence[UsageGroup],
        time_length: int,
        take: TakeGroups,
    ) -> None:
        """As the port says."""
        sums = [_SUMS.get(name, f"sum({name})") for name in SUMMED]
        _give_groups(db, where, [*_groups(group_by, time_length)], sums, take)

    @reads
    def count_times(
        self,
        db: sqlite3.Connection,
        of: Latency,
        where: UsageFilter,
        *,
        group_by: Sequence[UsageGroup],
        time_length: int,
        take: TakeGroups,
    ) -> None:
        """As the port says."""
        groups = [*_groups(group_by, time_length), bucket_expression(of)]
        _give_groups(db, where, groups, ["count(*)"], take, f" AND {of} > 0")

    @reads
    def get(self, db: sqlite3.Connection, event_id: str) -> UsageEvent | None:
        """As the port says."""
        row = db.execute(f"{_SELECT} WHERE id = ?", (event_id,)).fetchone()
        return None if row is None else _event(row)

    @reads
    def list(
        self, db: sqlite3.Connection, where: UsageFilter, *, before: str = "", limit: int
    ) -> list[UsageEvent]:
        """As the port says."""
        conditions, values = _conditions(where)
        if before:
            conditions += " AND id < ?"
            values.append(before)
        rows = db.execute(f"{_SELECT} WHERE {conditions} ORDER BY id DESC LIMIT ?", (*values, limit))
        return [_event(row) for row in rows]

    @reads
    def latest(self, db: sqlite3.Connection) -> int:
        """As the port says."""
        return _latest(db)

    @reads
    def number_of(self, db: sqlite3.Connection, event_id: str) -> int | None:
        """As the port says."""
        row = db.execute("SELECT stored FROM usage WHERE id = ?", (event_id,)).fetchone()
        return row[0] if row else None

    @reads
    def stored(
        self,
        db: sqlite3.Connection,
        where: UsageFilter,
        *,
        after: Place,
        until: int,
        limit: int,
        amended: bool = False,
    ) -> builtins.list[StoredEvent]:
        """As the port says."""
        column, index = ("amended", "usage_by_amending") if amended else ("stored", "usage_by_storing")
        conditions, values = _conditions(where)
        rows = db.execute(
            f"SELECT {column}, {_NAMES} FROM usage INDEXED BY {index} "  # noqa: S608 - names of our own
            f"WHERE {column} > 0 AND ({column}, id) > (?, ?) AND {column} <= ? AND {conditions} "
            f"ORDER BY {column}, id LIMIT ?",
            (*after, until, *values, limit),
        )
        return [StoredEvent(row[0], _event(row[1:])) for row in rows]


def _groups(group_by: Sequence[UsageGroup], time_length: int) -> Iterator[str]:
    """Yield what tells groups apart: the fields, and the time."""
    for by in group_by:
        yield _GROUPS[by]
    yield f"substr(started_at, 1, {time_length})" if time_length else _NO_TIME


def _give_groups(
    db: sqlite3.Connection,
    where: UsageFilter,
    groups: Sequence[str],
    numbers: Sequence[str],
    take: TakeGroups,
    more_conditions: str = "",
) -> None:
    conditions, values = _conditions(where)
    places = ", ".join(str(place) for place, name in enumerate(groups, start=1) if name != _NO_TIME)
    grouped = f"GROUP BY {places} ORDER BY {places}" if places else ""
    found = db.execute(
        f"SELECT {', '.join((*groups, *numbers))} FROM usage "  # noqa: S608 - names of our own
        f"WHERE {conditions}{more_conditions} {grouped}",
        values,
    )
    while some := found.fetchmany(_GROUPS_AT_ONCE):
        take([group for group in some if group[len(groups)]])  # there may be a sum of nothing


def _begin_batch(db: sqlite3.Connection) -> int:
    """Return the number of the next batch: there is one writer at a time."""
    db.execute("UPDATE usage_batch SET number = number + 1")
    return _latest(db)


def _latest(db: sqlite3.Connection) -> int:
    (number,) = db.execute("SELECT number FROM usage_batch").fetchone()
    return int(number)


def _amend(db: sqlite3.Connection, events: Sequence[UsageEvent], number: int, owner: str) -> None:
    """Replace the counts of stored events by the surer ones of events that amend them."""
    counts = ", ".join(f"{name} = ?" for name in (*PLAIN_COUNTS, *_WITH_COUNTS))
    for event in events:
        row = db.execute("SELECT confidence, charges FROM usage WHERE id = ?", (event.id,)).fetchone()
        if row is None or row[0] not in less_sure(event.tokens.confidence):
            continue
        before = charges_of(row[1])
        charges = event.charges or before
        db.execute(
            f"UPDATE usage SET {counts}, amended = ? WHERE id = ?",  # noqa: S608 - names of our own
            (
                *_token_values(event.tokens),
                event.cost_nano_dollars,
                event.tokens.confidence.value,
                details_text(event.tokens.details),
                charges_text(charges),
                number,
                event.id,
            ),
        )
        spend(db, difference(before, charges), owner)


def _runs(events: Sequence[UsageEvent], most: int) -> Iterator[Sequence[UsageEvent]]:
    """Yield the events in few pieces of few sizes, so that SQLite knows the statements."""
    start = 0
    for size in _RUNS:
        while size <= min(most, len(events) - start):
            yield events[start : start + size]
            start += size


@cache
def _insert(rows: int) -> str:
    row = f"({', '.join('?' * len(_WRITTEN))})"
    return (
        f"INSERT INTO usage ({_NAMES}, stored) VALUES {', '.join([row] * rows)} "  # noqa: S608 - names of our own
        "ON CONFLICT (id) DO NOTHING"
    )


def _values(events: Sequence[UsageEvent], number: int) -> list[object]:
    """Return the rows of some events, one after the other, in types that SQLite takes as they are."""
    values: list[object] = []
    # All times in one call: `time_text` for each takes more than all the rest. The call rounds zones to
    # minutes, so only times in UTC are taken from it.
    texts: list[str] = msgspec.to_builtins([event.started_at for event in events])
    for event, text in zip(events, texts, strict=True):
        values += _plain(event)
        values += (
            event.tokens.confidence.value,
            details_text(event.tokens.details),
            event.admission.value,
            int(event.streamed),
            attempts_text(event.attempts),
            charges_text(event.charges),
            f"{text[:-1]}+00:00"
            if len(text) == _JSON_TIME and event.started_at.tzinfo is UTC
            else time_text(event.started_at),
            number,
        )
    return values


def _conditions(where: UsageFilter) -> tuple[str, list[str | int]]:
    conditions, values = ["1"], list[str | int]()
    for name, wanted in wanted_values(where).items():
        conditions.append(f"{name} IN ({', '.join('?' * len(wanted))})")
        values += wanted
    if where.statuses:
        within = " OR ".join(["(status >= ? AND status < ?)"] * len(where.statuses))
        conditions.append(f"({within})")
        for bounds in where.statuses:
            values += bounds
    if where.streamed is not None:
        conditions.append("streamed = ?")
        values.append(int(where.streamed))
    for comparison, time in zip((">=", "<"), wanted_times(where), strict=True):
        if time:
            conditions.append(f"started_at {comparison} ?")
            values.append(time)
    return " AND ".join(conditions), values


def _event(row: tuple[object, ...]) -> UsageEvent:
    fields = dict(zip(_COLUMNS, row, strict=True))
    fields["streamed"] = bool(fields["streamed"])
    return to_event(fields)
