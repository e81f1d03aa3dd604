"""Usage events in SQLite: the statements, each run inside a transaction of the store's."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC
from functools import cache
from operator import attrgetter

import msgspec

from tollkeeper_server.domain.usage import Tokens, UsageEvent, UsageFilter, UsageGroup, UsageRow
from tollkeeper_server.store.documents import (
    DAY_LENGTH,
    GROUP_FIELDS,
    HOUR_LENGTH,
    MEASURES,
    from_document,
    time_text,
    usage_row,
)
from tollkeeper_server.store.sqlite import tokens as sqlite_tokens

_TOKEN_FIELDS = Tokens.__struct_fields__
_CONVERTED = ("confidence", "streamed", "started_at")
_PLAIN = tuple(name for name in UsageEvent.__struct_fields__ if name not in {"tokens", *_CONVERTED})
_COUNTS = tuple(name for name in _TOKEN_FIELDS if name not in _CONVERTED)
_COLUMNS = (*_PLAIN, *_COUNTS, *_CONVERTED)
_plain = attrgetter(*_PLAIN, *(f"tokens.{name}" for name in _COUNTS))
# How many rows one statement takes. While SQLite runs it the GIL is free: it is held for the conversion and
# binding of the rows (about 0.2 ms for the largest), and won back a few times for each statement.
_RUNS = (100, 20, 5, 1)
_JSON_TIME = len("2026-01-31T23:59:59.123456Z")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM usage"  # noqa: S608 - names of our own
_GROUPS: dict[UsageGroup, str] = {
    **GROUP_FIELDS,
    UsageGroup.DAY: f"substr(started_at, 1, {DAY_LENGTH})",
    UsageGroup.HOUR: f"substr(started_at, 1, {HOUR_LENGTH})",
}
_SUMS = {
    "requests": "count(*)",
    "failed_requests": "coalesce(sum(status >= 400), 0)",
    "estimated_requests": "coalesce(sum(confidence = 'estimated'), 0)",
}


def add(connection: sqlite3.Connection, events: Sequence[UsageEvent]) -> int:
    """Writes the events that are new, counts them on their tokens, and returns how many there were."""
    new = 0
    # Before version 3.32 SQLite takes 999 parameters.
    most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(_COLUMNS)
    for run in _runs(events, most):
        new += connection.execute(_insert(len(run)), _values(run)).rowcount
        os.sched_yield()  # nobody waits for the usage, but requests may for this core
    if new:
        sqlite_tokens.count(connection, new)
    return new


def page(connection: sqlite3.Connection, where: UsageFilter, before: str, limit: int) -> list[UsageEvent]:
    """Returns up to `limit` events with ids less than `before`, newest first."""
    conditions, values = _conditions(where)
    if before:
        conditions.append("id < ?")
        values.append(before)
    rows = connection.execute(
        f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?", (*values, limit)
    )
    return [_event(row) for row in rows]


def sums(
    connection: sqlite3.Connection, where: UsageFilter, group_by: Sequence[UsageGroup], limit: int
) -> list[UsageRow]:
    """Returns the sums by group, ordered by the group's fields; without groups, one row."""
    conditions, values = _conditions(where)
    columns = [_SUMS.get(name, f"coalesce(sum({name}), 0)") for name in MEASURES]
    groups = [_GROUPS[by] for by in group_by]
    grouped = f"GROUP BY {', '.join(groups)} ORDER BY {', '.join(groups)}" if groups else ""
    rows = connection.execute(
        f"SELECT {', '.join((*groups, *columns))} FROM usage "  # noqa: S608 - names of our own
        f"WHERE {' AND '.join(conditions)} {grouped} LIMIT ?",
        (*values, limit),
    )
    names = [GROUP_FIELDS[by] for by in group_by]
    return [
        usage_row(
            group_by,
            dict(zip(names, row[: len(groups)], strict=True)),
            dict(zip(MEASURES, row[len(groups) :], strict=True)),
        )
        for row in rows
    ]


def _runs(events: Sequence[UsageEvent], most: int) -> Iterator[Sequence[UsageEvent]]:
    """Returns the events in few pieces of few sizes, so that SQLite knows the statements."""
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
    """Returns the rows of some events, one after the other, in types that SQLite takes as they are."""
    values: list[object] = []
    # All times in one call: `time_text` for each takes more than all the rest. It rounds zones to minutes,
    # so only those in UTC are taken from it.
    texts: list[str] = msgspec.to_builtins([event.started_at for event in events])
    for event, text in zip(events, texts, strict=True):
        values += _plain(event)
        values += (
            event.tokens.confidence.value,
            int(event.streamed),
            f"{text[:-1]}+00:00"
            if len(text) == _JSON_TIME and event.started_at.tzinfo is UTC
            else time_text(event.started_at),
        )
    return values


def _conditions(where: UsageFilter) -> tuple[list[str], list[str]]:
    conditions, values = ["1"], []
    for name in ("project_id", "token_id", "model_served", "upstream", "request_id"):
        if wanted := getattr(where, name):
            conditions.append(f"{name} = ?")
            values.append(wanted)
    if where.start:
        conditions.append("started_at >= ?")
        values.append(time_text(where.start))
    if where.end:
        conditions.append("started_at < ?")
        values.append(time_text(where.end))
    return conditions, values


def _event(row: tuple[object, ...]) -> UsageEvent:
    document = dict(zip(_COLUMNS, row, strict=True))
    document["streamed"] = bool(document["streamed"])
    document["tokens"] = {name: document.pop(name) for name in _TOKEN_FIELDS}
    return from_document(msgspec.to_builtins(document), UsageEvent)
