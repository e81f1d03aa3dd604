"""Placements in SQLite: the statements, each run inside a transaction of the store's."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.store.documents import from_document, time_text


def add(connection: sqlite3.Connection, placements: Sequence[Placement]) -> None:
    """Writes placements, each in place of what has its id."""
    connection.executemany(
        "INSERT OR REPLACE INTO placements (id, upstream, project_id, used_at) VALUES (?, ?, ?, ?)",
        [(it.id, it.upstream, it.project_id, time_text(it.used_at)) for it in placements],
    )


def find(connection: sqlite3.Connection, placement_id: str) -> Placement | None:
    """Returns the placement of that id, or None."""
    row = connection.execute(
        "SELECT upstream, project_id, used_at FROM placements WHERE id = ?", (placement_id,)
    ).fetchone()
    if row is None:
        return None
    upstream, project_id, used_at = row
    return from_document(
        {"id": placement_id, "upstream": upstream, "project_id": project_id, "used_at": used_at}, Placement
    )


def delete_before(connection: sqlite3.Connection, at: datetime, limit: int) -> int:
    """Removes up to `limit` placements used before that, the oldest first; returns how many."""
    done = connection.execute(
        "DELETE FROM placements WHERE id IN "
        "(SELECT id FROM placements WHERE used_at < ? ORDER BY used_at LIMIT ?)",
        (time_text(at), limit),
    )
    return done.rowcount
