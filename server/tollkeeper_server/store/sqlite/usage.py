"""Usage events in SQLite: a row each."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC
from functools import cache
from operator import attrgetter

import msgspec

from tollkeeper_server.domain.usage import UsageEvent, UsageFilter, UsageGroup, UsageRow, less_sure
from tollkeeper_server.store.documents import time_text
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes
from tollkeeper_server.store.sqlite.tokens import count
from tollkeeper_server.store.usage_fields import (
    DAY_LENGTH,
    GROUPS,
    HOUR_LENGTH,
    NOT_STORED,
    SUMS,
    TOKEN_FIELDS,
    to_event,
    to_row,
    wanted_times,
    wanted_values,
)

_CONVERTED = ("confidence", "admission", "streamed", "started_at")
_PLAIN = tuple(name for name in UsageEvent.__struct_fields__ if name not in {*NOT_STORED, *_CONVERTED})
_COUNTS = tuple(name for name in TOKEN_FIELDS if name not in _CONVERTED)
_COLUMNS = (*_PLAIN, *_COUNTS, *_CONVERTED)
_token_values = attrgetter(*TOKEN_FIELDS)
_plain = attrgetter(*_PLAIN, *(f"tokens.{name}" for name in _COUNTS))
# How many rows one statement takes. While SQLite runs it the GIL is free: it is held for the conversion and
# binding of the rows (about 0.2 ms for the largest), and won back a few times for each statement.
_RUNS = (100, 20, 5, 1)
_JSON_TIME = len("2026-01-31T23:59:59.123456Z")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM usage"  # noqa: S608 - names of our own
_GROUPS: dict[UsageGroup, str] = {
    **GROUPS,
    UsageGroup.DAY: f"substr(started_at, 1, {DAY_LENGTH})",
    UsageGroup.HOUR: f"substr(started_at, 1, {HOUR_LENGTH})",
}
_SUMS = {
    "requests": "count(*)",
    "failed_requests": "coalesce(sum(status >= 400), 0)",
    "estimated_requests": "coalesce(sum(confidence IN ('estimated', 'pending')), 0)",
}


class SqliteUsage(SqlitePart):
    """Implements `ports.UsageStore`."""

    @writes
    def add(self, db: sqlite3.Connection, events: Sequence[UsageEvent]) -> int:
        """As the port says."""
        new = 0
        # Before version 3.32 SQLite takes 999 parameters.
        most = db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(_COLUMNS)
        for run in _runs(events, most):
            new += db.execute(_insert(len(run)), _values(run)).rowcount
            os.sched_yield()  # no request waits for the usage, but some may wait for this core
        if new:
            count(db, new)
        if new < len(events):
            _amend(db, [event for event in events if event.amends])
        return new

    @reads
    def sum(
        self, db: sqlite3.Connection, where: UsageFilter, *, group_by: Sequence[UsageGroup], limit: int
    ) -> list[UsageRow]:
        """As the port says."""
        conditions, values = _conditions(where)
        sums = [_SUMS.get(name, f"coalesce(sum({name}), 0)") for name in SUMS]
        groups = [_GROUPS[by] for by in group_by]
        grouped = f"GROUP BY {', '.join(groups)} ORDER BY {', '.join(groups)}" if groups else ""
        rows = db.execute(
            f"SELECT {', '.join((*groups, *sums))} FROM usage "  # noqa: S608 - names of our own
            f"WHERE {conditions} {grouped} LIMIT ?",
            (*values, limit),
        )
        size = len(groups)
        return [to_row(group_by, row[:size], dict(zip(SUMS, row[size:], strict=True))) for row in rows]

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


def _amend(db: sqlite3.Connection, events: Sequence[UsageEvent]) -> None:
    """Replace the counts of stored events by the surer ones of events that amend them."""
    counts = ", ".join(f"{name} = ?" for name in TOKEN_FIELDS)
    for event in events:
        less = less_sure(event.tokens.confidence)
        if less:
            among = ", ".join("?" * len(less))
            db.execute(
                f"UPDATE usage SET {counts} WHERE id = ? AND confidence IN ({among})",  # noqa: S608 - names of our own
                (*_token_values(event.tokens), event.id, *less),
            )


def _runs(events: Sequence[UsageEvent], most: int) -> Iterator[Sequence[UsageEvent]]:
    """Yield the events in few pieces of few sizes, so that SQLite knows the statements."""
    start = 0
    for size in _RUNS:
        while size <= min(most, len(events) - start):
            yield events[start : start + size]
            start += size


@cache
def _insert(rows: int) -> str:
    row = f"({', '.join('?' * len(_COLUMNS))})"
    return (
        f"INSERT INTO usage ({', '.join(_COLUMNS)}) VALUES {', '.join([row] * rows)} "  # noqa: S608 - names of our own
        "ON CONFLICT (id) DO NOTHING"
    )


def _values(events: Sequence[UsageEvent]) -> list[object]:
    """Return the rows of some events, one after the other, in types that SQLite takes as they are."""
    values: list[object] = []
    # All times in one call: `time_text` for each takes more than all the rest. The call rounds zones to
    # minutes, so only times in UTC are taken from it.
    texts: list[str] = msgspec.to_builtins([event.started_at for event in events])
    for event, text in zip(events, texts, strict=True):
        values += _plain(event)
        values += (
            event.tokens.confidence.value,
            event.admission.value,
            int(event.streamed),
            f"{text[:-1]}+00:00"
            if len(text) == _JSON_TIME and event.started_at.tzinfo is UTC
            else time_text(event.started_at),
        )
    return values


def _conditions(where: UsageFilter) -> tuple[str, list[str]]:
    conditions, values = ["1"], []
    for name, wanted in wanted_values(where).items():
        conditions.append(f"{name} = ?")
        values.append(wanted)
    for comparison, time in zip((">=", "<"), wanted_times(where), strict=True):
        if time:
            conditions.append(f"started_at {comparison} ?")
            values.append(time)
    return " AND ".join(conditions), values


def _event(row: tuple[object, ...]) -> UsageEvent:
    fields = dict(zip(_COLUMNS, row, strict=True))
    fields["streamed"] = bool(fields["streamed"])
    return to_event(fields)
