"""Usage events in SQLite: the statements, each run inside a transaction of the store's."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import cast

import msgspec

from tollkeeper_server.domain.usage import Tokens, UsageEvent, UsageFilter, UsageGroup, UsageRow
from tollkeeper_server.store import sqlite_tokens
from tollkeeper_server.store.documents import (
    DAY_LENGTH,
    GROUP_FIELDS,
    HOUR_LENGTH,
    MEASURES,
    from_document,
    time_text,
    to_document,
    usage_row,
)

_TOKEN_FIELDS = Tokens.__struct_fields__
_COLUMNS = (*(name for name in UsageEvent.__struct_fields__ if name != "tokens"), *_TOKEN_FIELDS)
_INSERT = (
    f"INSERT INTO usage ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "  # noqa: S608 - names of our own
    "ON CONFLICT (id) DO NOTHING"
)
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
    new: dict[str, list[datetime]] = {}
    for event in events:
        document = to_document(event)
        tokens = cast("dict[str, object]", document.pop("tokens"))
        if connection.execute(_INSERT, document | tokens).rowcount == 1:
            new.setdefault(event.token_id, []).append(event.started_at)
    for token_id, times in new.items():
        sqlite_tokens.count(connection, token_id, len(times), max(times))
    return sum(map(len, new.values()))


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
